#pragma once

#include <optional>

#include "common/image/store.hpp"

namespace workshop {

/// What can be taken up again where it stopped: the network failed, not what came over it.
struct Resumable : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// A blob that is not what its descriptor says.
struct WrongBlob : std::runtime_error {
  WrongBlob(const std::string& what, bool from_earlier) : std::runtime_error(what), resumed(from_earlier) {}
  bool resumed;  ///< a part of it came from an earlier attempt
};

/// Brings one blob into a store: written to <store>/partial, and moved to its place when it is complete and
/// its digest is right. Until then nobody sees it.
class BlobWriter {
 public:
  /// A blob that is not known yet. What is not committed is removed.
  explicit BlobWriter(Store& store);

  /// A blob that is known, and continued where an earlier attempt ended: offset() says where. Waits for
  /// another process that is fetching the same one; if it got it, is_complete() is true.
  BlobWriter(Store& store, const Descriptor& expected, const LockWait& wait = {});

  /// Whether an earlier attempt has left a part of it, which takes a moment to verify.
  static bool is_begun(const Store& store, const Descriptor& expected);

  ~BlobWriter();
  BlobWriter(const BlobWriter&) = delete;
  BlobWriter& operator=(const BlobWriter&) = delete;

  /// Where it is written to until it has its place.
  static std::string path_of(const Store& store, const Descriptor& expected);

  bool is_complete() const { return complete_; }
  std::uint64_t offset() const { return size_; }

  /// More bytes than the descriptor has are an error: a registry cannot fill the disk.
  void write(std::span<const std::byte> bytes);

  /// Empties it, to begin again.
  void restart();

  /// Whether what there is stays for the next attempt when this one is not committed. It does not, unless
  /// said so.
  void keep() { keep_ = true; }
  void discard() { keep_ = false; }

  /// Moves the blob to its place; returns its digest and size (the media type is the caller's). Throws
  /// WrongBlob if they are not those expected; the bytes are then gone.
  Descriptor commit();

 private:
  void open_partial(const LockWait& wait);
  void rehash();

  Store& store_;
  std::optional<Descriptor> expected_;
  std::string path_;
  unique_fd file_;
  Hasher hasher_;
  std::uint64_t size_ = 0;
  bool complete_ = false;
  bool keep_ = false;
  bool resumed_ = false;
};

/// Stores a document and returns its descriptor.
Descriptor write_blob(Store& store, std::string_view content, const std::string& media_type);

}  // namespace workshop
