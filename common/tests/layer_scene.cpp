#include "common/tests/layer_scene.hpp"

#include <filesystem>

#include "common/image/layer.hpp"
#include "common/tests/archive.hpp"

namespace workshop::testing {

Scene::Scene() {
  scratch.shell(
      "echo secret > outside/secret; chmod 600 outside/secret; mkdir outside/d; echo file > outside/d/file");
  before_ = look();
}

Snapshot Scene::look() const {
  Snapshot result = snapshot(outside, true);
  for (const auto& entry : std::filesystem::directory_iterator(scratch.path())) result[entry.path()] = "";
  return result;
}

std::string Scene::harm() const {
  return difference(before_, look());
}

std::string apply_layers(const std::string& destination, const std::vector<std::string>& layers) {
  return error_of([&] {
    Extraction extraction(destination);
    for (const auto& layer : layers) extraction.apply(source_of(layer));
    extraction.finish();
  });
}

}  // namespace workshop::testing
