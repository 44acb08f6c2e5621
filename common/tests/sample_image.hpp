#pragma once

#include <vector>

#include "common/tests/faulty_registry.hpp"

namespace workshop::testing {

/// A small image of several layers, as a registry holds it.
struct SampleImage {
  std::string manifest;
  std::string config;
  std::vector<std::string> layers;

  /// `seeds` gives the layers their content: images with a seed in common have that layer in common.
  static SampleImage of(const std::vector<int>& seeds, std::size_t layer_size = 300'000);

  /// The manifest with other bytes in place of some that are in it.
  std::string with(const std::string& old, const std::string& fresh) const;

  /// What a registry answers; `name` is the repository.
  FaultyRegistry::Content content(const std::string& name = "image") const;

  /// Bytes of its blobs: configuration and layers.
  std::uint64_t size() const;
};

/// "sha256:..."
std::string digest_text(const std::string& bytes);

}  // namespace workshop::testing
