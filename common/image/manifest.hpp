#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/image/digest.hpp"

// The JSON documents an image is made of: OCI image specification (descriptor.md, manifest.md,
// image-index.md, config.md) and Docker's image manifest version 2, schema 2, which differs in its media
// types only. Parsing throws std::runtime_error for anything that is not one of them.

namespace workshop {

namespace media_type {
inline constexpr const char* oci_index = "application/vnd.oci.image.index.v1+json";
inline constexpr const char* oci_manifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* oci_config = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* oci_layer = "application/vnd.oci.image.layer.v1.tar";
inline constexpr const char* oci_layer_gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
inline constexpr const char* oci_layer_zstd = "application/vnd.oci.image.layer.v1.tar+zstd";
inline constexpr const char* docker_list = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr const char* docker_manifest = "application/vnd.docker.distribution.manifest.v2+json";
}  // namespace media_type

/// The machine an image is for: "linux/amd64", "linux/arm64/v8".
struct Platform {
  std::string os;
  std::string architecture;
  std::string variant;  ///< may be empty

  static Platform parse(const std::string& text);  ///< OS/ARCH[/VARIANT]; throws std::runtime_error
  static Platform of_this_machine();
  std::string string() const;

  /// How well an image for `offered` runs here: 0 not at all, more is better.
  int fitness(const Platform& offered) const;
};

/// A reference to a blob.
struct Descriptor {
  std::string media_type;
  Digest digest;
  std::uint64_t size = 0;  ///< bytes
  std::map<std::string, std::string> annotations{};
  std::optional<Platform> platform{};

  bool is_index() const;  ///< a choice of images by platform
};

/// An image: its configuration and its layers, lowest first.
struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;

  static Manifest parse(std::string_view text);
  std::string text() const;  ///< as an OCI image manifest
};

/// A list of manifests: an image for several platforms, or what an OCI image layout holds.
struct Index {
  std::vector<Descriptor> manifests;

  static Index parse(std::string_view text);
  std::string text() const;  ///< as an OCI image index

  /// The one manifest (or nested index) for `platform`; throws std::runtime_error that lists what there is.
  const Descriptor& choose(const Platform& platform) const;
};

/// What unpacking needs of an image's configuration. What a level's program needs of it is ImageConfig.
struct Configuration {
  Platform platform;
  std::vector<Digest> diff_ids;  ///< of the uncompressed layers, lowest first

  static Configuration parse(std::string_view text);
};

/// What a document says that it is, or else what its parts say: the media type of an index or of an image
/// manifest. Throws std::runtime_error for one that could be read as either.
std::string media_type_of(std::string_view text);

/// Documents are held in memory: larger ones are refused (registries limit manifests to 4 MiB).
inline constexpr std::uint64_t kMaxDocument = 8 << 20;

}  // namespace workshop
