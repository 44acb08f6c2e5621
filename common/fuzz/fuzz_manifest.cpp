// The documents of an image, from whoever runs a registry.

#include "common/fuzz/input.hpp"
#include "common/image/manifest.hpp"

using namespace workshop;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text = fuzz::text(data, size);
  fuzz::may_refuse([&] { Manifest::parse(text); });
  fuzz::may_refuse([&] { Configuration::parse(text); });
  fuzz::may_refuse([&] { Index::parse(text).choose(Platform::of_this_machine()); });
  fuzz::may_refuse([&] {
    const Index index = Index::parse(text);
    const Index again = Index::parse(index.text());
    if (again.manifests.size() != index.manifests.size()) __builtin_trap();
  });
  fuzz::may_refuse([&] { Platform::parse(text); });
  return 0;
}
