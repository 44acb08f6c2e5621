#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>

struct archive;
struct archive_entry;

namespace workshop {

/// Reads a tar archive with libarchive: ustar, pax and GNU with their long names, base-256 numbers and sparse
/// files.
class TarReader {
 public:
  /// The archive's next bytes, valid until the following call; none at the end.
  using Blocks = std::function<std::span<const std::byte>()>;

  explicit TarReader(Blocks blocks);
  ~TarReader();
  TarReader(const TarReader&) = delete;
  TarReader& operator=(const TarReader&) = delete;

  /// The next entry, valid until the following call; nullptr at the end. Like read(), throws what `blocks`
  /// threw and std::runtime_error for what is not a tar archive, is truncated or damaged, or wants megabytes
  /// for one header.
  archive_entry* next();

  /// A piece of the current entry's data and where it belongs; between the pieces of a sparse file are holes.
  struct Piece {
    std::span<const std::byte> bytes;
    std::int64_t offset;
  };

  /// Gets the next piece; false at the end of the entry.
  bool read(Piece& piece);

 private:
  static long read_block(archive*, void* self, const void** buffer);
  [[noreturn]] void throw_broken() const;

  Blocks blocks_;
  std::unique_ptr<archive, int (*)(archive*)> archive_;
  std::exception_ptr error_;       // from blocks_, which must not throw through libarchive
  std::size_t bytes_in_call_ = 0;  // that the current call of libarchive has read
  bool skipping_ = false;
  std::string entry_;  // name of the current entry, for messages
};

}  // namespace workshop
