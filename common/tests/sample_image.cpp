#include "common/tests/sample_image.hpp"

#include <fmt/core.h>

#include <random>
#include <span>
#include <stdexcept>

#include "common/image/digest.hpp"
#include "common/image/manifest.hpp"
#include "common/tests/archive.hpp"

namespace workshop::testing {
namespace {

/// Bytes that no compression makes smaller.
std::string noise(int seed, std::size_t size) {
  std::minstd_rand random(static_cast<unsigned>(seed + 1));
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() >> 8);
  return bytes;
}

std::string descriptor(const std::string& type, const std::string& bytes) {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}}})", type, digest_text(bytes),
                     bytes.size());
}

}  // namespace

std::string digest_text(const std::string& bytes) {
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(bytes)));
  return hasher.finish().string();
}

SampleImage SampleImage::of(const std::vector<int>& seeds, std::size_t layer_size) {
  SampleImage image;
  std::string layers;
  std::string diff_ids;
  for (const int seed : seeds) {
    const std::string name = fmt::format("file{}", seed);
    image.layers.push_back(make_layer({{Entry::file, name, noise(seed, layer_size)}}));
    const char* comma = layers.empty() ? "" : ",";
    layers += comma + descriptor(media_type::oci_layer, image.layers.back());
    diff_ids += fmt::format("{}\"{}\"", comma, digest_text(image.layers.back()));
  }
  const Platform here = Platform::of_this_machine();
  image.config = fmt::format(R"({{"os":"{}","architecture":"{}","variant":"{}","config":{{}},)"
                             R"("rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                             here.os, here.architecture, here.variant, diff_ids);
  image.manifest =
      fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})",
                  media_type::oci_manifest, descriptor(media_type::oci_config, image.config), layers);
  return image;
}

std::string SampleImage::with(const std::string& old, const std::string& fresh) const {
  const auto at = manifest.find(old);
  if (at == std::string::npos) throw std::logic_error("the manifest has no " + old);
  return std::string(manifest).replace(at, old.size(), fresh);
}

FaultyRegistry::Content SampleImage::content(const std::string& name) const {
  FaultyRegistry::Content content;
  const std::string repository = "/v2/" + name;
  content[repository + "/manifests/latest"] = manifest;
  content[repository + "/manifests/" + digest_text(manifest)] = manifest;
  content[repository + "/blobs/" + digest_text(config)] = config;
  for (const auto& layer : layers) content[repository + "/blobs/" + digest_text(layer)] = layer;
  return content;
}

std::uint64_t SampleImage::size() const {
  std::uint64_t size = config.size();
  for (const auto& layer : layers) size += layer.size();
  return size;
}

}  // namespace workshop::testing
