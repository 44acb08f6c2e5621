#include "common/image/verify.hpp"

#include "common/image/say.hpp"
#include "common/image/unpack.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

bool verify_blobs(Store& store) {
  bool all_right = true;
  for (const auto& digest : store.blobs()) {
    const std::string path = store.blob_path(digest);
    if (digest_of(file_source(path)) == digest) continue;
    all_right = false;
    report(fmt::format("{} is damaged: removed", path));
    check(::unlink(path.c_str()), "unlink(\"{}\")", path);
  }
  return all_right;
}

bool verify_image(const StoredImage& stored, const Store& store) {
  try {
    verify_layers(Image(store, stored));
    say(fmt::format("{} is whole", stored.name.familiar()));
    return true;
  } catch (const std::runtime_error& error) {
    report(fmt::format("{} is damaged: {}", stored.name.familiar(), error.what()));
    return false;
  }
}

}  // namespace

bool verify(Store& store) {
  bool all_right = verify_blobs(store);
  for (const auto& image : store.images()) all_right &= verify_image(image, store);
  return all_right;
}

}  // namespace workshop
