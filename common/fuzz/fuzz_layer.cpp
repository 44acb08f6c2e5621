// A layer, from whoever made the image: whatever it is, nothing outside of the destination changes.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <span>

#include "common/fuzz/input.hpp"
#include "common/image/layer.hpp"
#include "common/sys/error.hpp"
#include "common/sys/tree.hpp"

using workshop::check;

namespace {

constexpr const char* kOutside = "/mnt/outside";  // what no layer may touch
constexpr const char* kInside = "/mnt/inside/rootfs";
constexpr workshop::ExtractionLimits kLimits{8 << 20, 500};

struct stat outside {};

struct stat status_of(const char* path) {
  struct stat status {};
  check(::lstat(path, &status), "lstat(\"{}\")", path);
  return status;
}

void require_untouched() {
  const struct stat now = status_of(kOutside), neighbour = status_of("/mnt/inside");
  const bool same = now.st_mtim.tv_sec == outside.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == outside.st_mtim.tv_nsec &&
                    now.st_ctim.tv_nsec == outside.st_ctim.tv_nsec && now.st_nlink == outside.st_nlink &&
                    now.st_mode == outside.st_mode;
  if (!same || neighbour.st_nlink != 2 + (::access(kInside, F_OK) == 0 ? 1 : 0)) __builtin_trap();
}

}  // namespace

/// In a mount namespace with a /mnt of its own: what comes of a finding ends with it.
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_PRIVATE)");
  check(::mount("tmpfs", "/mnt", "tmpfs", 0, "size=256m"), "mount(\"/mnt\")");
  check(::mkdir(kOutside, 0755), "mkdir(\"{}\")", kOutside);
  check(::mkdir("/mnt/inside", 0755), "mkdir(\"/mnt/inside\")");
  outside = status_of(kOutside);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  check(::mkdir(kInside, 0755), "mkdir(\"{}\")", kInside);
  workshop::fuzz::may_refuse([&] {
    workshop::Extraction extraction(kInside, kLimits);
    // Twice: as a layer on top of itself it meets all that it has made.
    for (int layer = 0; layer < 2; ++layer) {
      std::size_t at = 0;
      extraction.apply([&](std::span<std::byte> buffer) {
        const std::size_t count = std::min(buffer.size(), size - at);
        if (count > 0) std::memcpy(buffer.data(), data + at, count);
        at += count;
        return count;
      });
    }
    extraction.finish();
  });
  require_untouched();
  workshop::remove_tree(kInside);
  return 0;
}
