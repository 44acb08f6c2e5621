#include "common/image/commands.hpp"

#include "common/image/builtin.hpp"
#include "common/image/import.hpp"
#include "common/image/lookup.hpp"
#include "common/image/pull.hpp"
#include "common/image/save.hpp"
#include "common/image/say.hpp"
#include "common/image/unpack.hpp"
#include "common/image/verify.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kAnyNumber = 1000;

void run_pull(const Arguments& arguments, Store& store) {
  pull(ImageName::parse(arguments.operands[0]), arguments.platform, store);
}

void run_extract(const Arguments& arguments, Store& store) {
  const std::string& destination = arguments.operands[1];
  // A container's folder lies below the store: that must not look like somebody else's folder afterwards.
  if (destination.rfind(store.path() + "/", 0) == 0) store.prepare();
  Lookup lookup(store);
  extract(lookup.require(arguments.operands[0]), destination);
}

void run_unpack(const Arguments& arguments, Store& store) {
  Lookup lookup(store);
  unpack(lookup.require(arguments.operands[0]), store);
}

void list_image(const std::string& name, const std::string& digest, const std::string& size,
                const std::string& platform) {
  fmt::print("{:<40} {:<14} {:>10}  {}\n", name, digest, size, platform);
}

std::uint64_t size_of(const Store& store, const StoredImage& image) {
  if (!store.has(image.manifest)) return 0;
  const Manifest manifest = Manifest::parse(store.read(image.manifest));
  std::uint64_t size = image.manifest.size + manifest.config.size;
  for (const auto& layer : manifest.layers) size += layer.size;
  return size;
}

void run_import(const Arguments& arguments, Store& store) {
  const bool named = arguments.operands.size() == 2;
  const auto name = named ? std::optional(ImageName::parse(arguments.operands[0])) : std::nullopt;
  if (name && !name->digest.empty())
    throw std::runtime_error("an imported image gets a name without a digest");
  import_images(name, arguments.operands.back(), arguments.platform.value_or(Platform::of_this_machine()),
                store);
}

void run_save(const Arguments& arguments, Store& store) {
  Lookup lookup(store);
  std::vector<Image> images;
  for (const auto& name : arguments.operands) images.push_back(lookup.require(name));
  save(images, arguments.output);
  say(fmt::format("{} images saved in {}", images.size(), arguments.output));
}

void run_verify(const Arguments&, Store& store) {
  if (verify(store)) return;
  throw std::runtime_error(
      "the store is damaged: 'image pull' and 'image import' mend what they bring again");
}

void run_list(const Arguments& arguments, Store& store) {
  bool has_builtin = false;
  if (!arguments.quiet) list_image("NAME", "DIGEST", "SIZE", "PLATFORM");
  for (const auto& image : store.images()) {
    has_builtin |= is_builtin(image.name);
    const std::string name = image.name.familiar();
    if (arguments.quiet) {
      fmt::print("{}\n", name);
    } else {
      list_image(name, image.manifest.digest.hex().substr(0, 12), human_size(size_of(store, image)),
                 image.manifest.platform ? image.manifest.platform->string() : "");
    }
  }
  if (!has_builtin && !arguments.quiet) list_image("busybox", "built in", "", "made when it is first used");
}

void run_remove(const Arguments& arguments, Store& store) {
  Lookup lookup(store);
  std::vector<ImageName> names;
  for (const auto& operand : arguments.operands) {
    names.push_back(ImageName::parse(operand));
    if (!store.find(names.back())) lookup.refuse(names.back());
    require_unused(names.back(), store);
  }
  for (const auto& name : names) {
    remove_unpacked(name, store);
    store.remove(name);
    say(fmt::format("removed {}", name.familiar()));
  }
  store.collect_garbage();
}

}  // namespace

const std::vector<Command>& commands() {
  using Use = Store::Use;
  static const std::vector<Command> table = {
      {"pull", "REF",
       "fetch an image from its registry and unpack it\n"
       "$WORKSHOP_REGISTRY is a mirror for docker.io; 'docker login' keeps credentials. The root file\n"
       "system is then at images/NAME/rootfs in the store.",
       1, 1, "platform max-size", Use::shared, run_pull},
      {"import", "[NAME] FILE|DIR",
       "bring an image from an archive or a folder\n"
       "An archive of 'docker save', an OCI image layout (folder or archive), or the archive of a root\n"
       "file system; compressed with gzip or zstd, or not. Without NAME all images in it come, under\n"
       "their own names.",
       1, 2, "platform max-size", Use::shared, run_import},
      {"extract", "NAME DEST",
       "apply the layers of an image to the folder DEST\n"
       "DEST is made if it is missing and refused if it is not empty. Root gives files the owners\n"
       "they have in the image; an ordinary user cannot, and gets a note about it.",
       2, 2, "max-size", Use::shared, run_extract},
      {"unpack", "NAME",
       "make the image's own root file system, images/NAME/rootfs in the store\n"
       "'pull' does it too, and the levels do it for an image that was imported.",
       1, 1, "max-size", Use::shared, run_unpack},
      {"save", "NAME... -o FILE",
       "write images into one archive, an OCI image layout\n"
       "'import' brings them from there to another machine, with the same digests.",
       1, kAnyNumber, "output", Use::shared, run_save},
      {"list", "",
       "show the images of the store\n"
       "With -q their names alone.",
       0, 0, "", Use::shared, run_list},
      {"rm", "NAME...",
       "remove images, with their root file systems\n"
       "Refused while a container uses one.",
       1, kAnyNumber, "", Use::exclusive, run_remove},
      {"verify", "",
       "read all of the store and compare it with its digests\n"
       "What is damaged is removed and named.",
       0, 0, "", Use::shared, run_verify},
  };
  return table;
}

}  // namespace workshop
