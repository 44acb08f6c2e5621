#include "common/image/unpack.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

#include "common/image/identity.hpp"
#include "common/image/in_use.hpp"
#include "common/image/inflate.hpp"
#include "common/image/layer.hpp"
#include "common/image/say.hpp"
#include "common/sys/error.hpp"
#include "common/sys/tree.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

ExtractionLimits limits_;  // set once, from the command line

void tell(const ExtractionNotices& notices) {
  if (notices.owners_left_out) {
    say("without root, the files belong to you and not to the owners they have in the image");
  }
  if (notices.devices_left_out > 0) {
    say(fmt::format("{} device nodes left out: only root of the machine may make them",
                    notices.devices_left_out));
  }
  if (notices.xattrs_left_out > 0) {
    say(fmt::format("{} extended attributes left out: this user or this file system cannot have them",
                    notices.xattrs_left_out));
  }
}

void require_diff_id(const Image& image, std::size_t number, const Digest& diff_id) {
  if (diff_id == image.diff_ids[number]) return;
  throw std::runtime_error(
      fmt::format("wrong digest: layer {} of {} ({}) unpacks to {}, but the image's configuration says {}; "
                  "the image is damaged: get "
                  "it again or from somewhere else",
                  number + 1, image.stored.name.familiar(), image.manifest.layers[number].digest.string(),
                  diff_id.string(), image.diff_ids[number].string()));
}

/// The layers as they lie in the store.
LayerFeed stored_layers(const Image& image) {
  return {[&image](std::size_t number) { return image.store->open(image.manifest.layers[number]); }};
}

void apply_layers(const Image& image, const LayerFeed& feed, Extraction& extraction) {
  for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
    const ByteSource layer = feed.open(i);
    if (image.store->is_verified(image.manifest.layers[i], image.diff_ids[i])) {
      extraction.apply_verified(layer);
    } else {
      require_diff_id(image, i, extraction.apply(layer));
    }
    feed.applied(i);
  }
  tell(extraction.finish());
}

void note_verified(const Image& image) {
  for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
    image.store->note_verified(image.manifest.layers[i], image.diff_ids[i]);
  }
}

/// Undoes what a failed extraction left: the folder itself if we made it, its contents otherwise.
void clear(const std::string& destination, bool made) {
  if (made) return remove_tree(destination);
  for (const auto& entry : fs::directory_iterator(destination)) remove_tree(entry.path());
}

std::string folder_of(const ImageName& name, const Store& store) {
  return store.path() + "/images/" + name.directory();
}

/// A name for what concerns one image while it is unpacked; with anything before it, its own could be too
/// long.
std::string key_of(const ImageName& name) {
  return digest_of(name.canonical()).hex();
}

/// Of one image alone: whoever unpacks it may have to wait for its layers.
FileLock lock_unpacking(const ImageName& name, const Store& store) {
  return FileLock(store.path() + "/locks/unpack-" + key_of(name), FileLock::Mode::exclusive);
}

/// Puts the folder `fresh` in the place of `folder`; what was there is then in `fresh`, or nowhere.
void swap_in(const std::string& fresh, const std::string& folder) {
  if (::access(folder.c_str(), F_OK) == -1) {
    check(::rename(fresh.c_str(), folder.c_str()), "rename(\"{}\", \"{}\")", fresh, folder);
    return;
  }
  // In one step: a program that starts meanwhile finds the old one or the new one.
  check(::renameat2(AT_FDCWD, fresh.c_str(), AT_FDCWD, folder.c_str(), RENAME_EXCHANGE),
        "renameat2(\"{}\", \"{}\", RENAME_EXCHANGE)", fresh, folder);
}

}  // namespace

void set_limits(const ExtractionLimits& limits) {
  limits_ = limits;
}

Image::Image(const Store& from, const StoredImage& image)
    : stored(image),
      manifest(Manifest::parse(from.read(image.manifest))),
      configuration(from.read(manifest.config)),
      diff_ids(Configuration::parse(configuration).diff_ids),
      store(&from) {
  if (diff_ids.size() == manifest.layers.size()) return;
  throw std::runtime_error(
      fmt::format("the image {} is broken: its manifest has {} layers and its configuration {}",
                  image.name.familiar(), manifest.layers.size(), diff_ids.size()));
}

void extract(const Image& image, const std::string& destination) {
  std::optional<ActAsOurselves> ourselves(std::in_place);
  const bool made = ::access(destination.c_str(), F_OK) == -1;
  if (made) make_directories(destination);
  Extraction extraction(destination, limits_);
  try {
    apply_layers(image, stored_layers(image), extraction);
  } catch (...) {
    clear(destination, made);
    throw;
  }
  ourselves.reset();  // the store is its owner's
  note_verified(image);
}

void verify_layers(const Image& image) {
  for (std::size_t i = 0; i < image.manifest.layers.size(); ++i) {
    const ByteSource plain = inflate(image.store->open(image.manifest.layers[i]));
    require_diff_id(image, i, digest_of(plain));
  }
  note_verified(image);
}

bool is_there(const ImageName& name, const Store& store) {
  return ::access(rootfs_of(name, store.path()).c_str(), F_OK) == 0;
}

bool is_unpacked(const Image& image, const Store& store) {
  const std::string config = config_of(image.stored.name, store.path());
  if (::access(config.c_str(), F_OK) == -1) return false;
  return read_document(file_source(config)) == image.configuration;
}

std::string unpack(const Image& image, Store& store) {
  return unpack(image, store, stored_layers(image));
}

std::string unpack(const Image& image, Store& store, const LayerFeed& feed) {
  store.prepare();
  const ImageName& name = image.stored.name;
  const FileLock lock = lock_unpacking(name, store);
  if (is_unpacked(image, store)) return rootfs_of(name, store.path());
  const std::string fresh = store.path() + "/images/." + key_of(name);
  remove_tree(fresh);  // of a run that was killed
  require_unused(name, store);
  make_directories(fresh + "/rootfs");
  try {
    Extraction extraction(fresh + "/rootfs", limits_);
    apply_layers(image, feed, extraction);
    replace_file(fresh + "/config.json", image.configuration);
    note_verified(image);
    swap_in(fresh, folder_of(name, store));
  } catch (...) {
    remove_tree(fresh);
    throw;
  }
  remove_tree(fresh);
  return rootfs_of(name, store.path());
}

void remove_unpacked(const ImageName& name, Store& store) {
  if (::access(folder_of(name, store).c_str(), F_OK) == -1) return;
  const FileLock lock = lock_unpacking(name, store);
  require_unused(name, store);
  remove_tree(folder_of(name, store));
}

void require_unused(const ImageName& name, const Store& store) {
  const std::string user = user_of_root(rootfs_of(name, store.path()));
  if (user.empty()) return;
  throw std::runtime_error(fmt::format(
      "the root file system of {} is in use: {}; end that first, and try again", name.familiar(), user));
}

}  // namespace workshop
