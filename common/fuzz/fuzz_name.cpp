// An image's name that is understood means the same when it is written out and read again.

#include "common/fuzz/input.hpp"
#include "common/image/name.hpp"

using workshop::ImageName;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  workshop::fuzz::may_refuse([&] {
    const ImageName name = ImageName::parse(workshop::fuzz::text(data, size));
    if (!(ImageName::parse(name.familiar()) == name)) __builtin_trap();
    // It becomes a folder of the store.
    const std::string folder = name.directory();
    if (folder.empty() || folder[0] == '.' || folder.find('/') != std::string::npos) __builtin_trap();
  });
  return 0;
}
