#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "common/image/byte_source.hpp"
#include "common/image/digest.hpp"

namespace workshop {

/// What an image may ask of the machine, all its layers together. A few kilobytes of gzip can stand for
/// terabytes.
struct ExtractionLimits {
  std::uint64_t bytes = 64ULL << 30;  ///< of unpacked layers
  std::uint64_t entries = 4'000'000;  ///< files, directories and links
  std::uint64_t names = 1ULL << 30;   ///< bytes of memory for names that must be remembered
};

/// The layers are larger than ExtractionLimits::bytes. Whoever has an option to raise it says so to the user.
struct LimitExceeded : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What could not be done on this machine or by this user; worth a line to the user each.
struct ExtractionNotices {
  bool owners_left_out =
      false;  ///< some files belong to us instead; these have no set-user-ID or set-group-ID bit
  std::size_t devices_left_out = 0;  ///< device nodes: mknod(2) needs CAP_MKNOD in the initial user namespace
  std::size_t xattrs_left_out =
      0;  ///< extended attributes that the user or the file system may not have (xattr(7))
};

/// Applies the layers of an image, lowest first, to one directory (OCI image specification, layer.md):
///
///     Extraction extraction("/var/lib/workshop/images/x/rootfs");
///     for (auto& layer : layers) if (extraction.apply(layer.source) != layer.diff_id) throw ...;
///     print(extraction.finish());
///
/// Names, links and whiteouts are resolved inside the directory as if it were "/" (openat2(2),
/// RESOLVE_IN_ROOT): nothing outside is made, changed, linked or removed, whatever a layer says. Root, of the
/// machine or of a user namespace, gives files their owners; anybody else keeps them. When anything here
/// throws, what the directory holds is of no use: remove it.
class Extraction {
 public:
  /// `destination` is an existing, empty directory; throws std::runtime_error if it is not empty.
  explicit Extraction(const std::string& destination, const ExtractionLimits& limits = {});
  ~Extraction();
  Extraction(const Extraction&) = delete;
  Extraction& operator=(const Extraction&) = delete;

  /// Applies a tar archive: gzip, zstd or uncompressed, as its first bytes say; no bytes at all are an empty
  /// layer. Reads to the end and returns the layer's diff_id, the digest of the uncompressed archive, to be
  /// compared with the image's configuration (config.md, "rootfs"). `compressed` is called from another
  /// thread while this one writes; what it throws is thrown here. Throws std::runtime_error for a broken
  /// archive, std::system_error for a refusal of the kernel, LimitExceeded.
  Digest apply(const ByteSource& compressed);

  /// The same for a layer whose diff_id is known to be right: it is not computed.
  void apply_verified(const ByteSource& compressed);

  /// After the last layer: the times and modes of directories that had to wait for their contents.
  const ExtractionNotices& finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace workshop
