#pragma once

#include <string>
#include <string_view>

namespace workshop {

/// The name of an image, `[HOST[:PORT]/]PATH[:TAG][@DIGEST]`, with what Docker takes for granted filled in:
/// `debian` is docker.io/library/debian:latest. (The grammar: github.com/distribution/reference, "Grammar";
/// OCI distribution specification, "Pulling manifests".)
struct ImageName {
  std::string registry;    ///< host and port: "docker.io", "127.0.0.1:5000", "[::1]:5000"
  std::string repository;  ///< "library/debian"
  std::string tag;         ///< "12"; empty if there is a digest and no tag
  std::string digest;      ///< "sha256:" and 64 hexadecimal digits, or empty

  /// Throws std::runtime_error that says what is wrong with `text`.
  static ImageName parse(std::string_view text);

  /// The name in full: "docker.io/library/debian:12".
  std::string canonical() const;

  /// As people write it, without "docker.io/library/" and ":latest": "debian:12", "busybox".
  std::string familiar() const;

  /// The folder of the image below <store>/images: the familiar name with "+" for "/". No name contains "+",
  /// so no two images share a folder.
  std::string directory() const;

  bool operator==(const ImageName&) const = default;
};

/// <store>/images/<folder of `name`>/rootfs, whether it is there or not.
std::string rootfs_of(const ImageName& name, const std::string& store);

/// <store>/images/<folder of `name`>/config.json, the image's configuration (OCI image specification,
/// config.md).
std::string config_of(const ImageName& name, const std::string& store);

}  // namespace workshop
