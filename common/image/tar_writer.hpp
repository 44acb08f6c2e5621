#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "common/image/byte_source.hpp"

struct archive;

namespace workshop {

/// A file, folder or symbolic link of an archive. All have the time 0: the same content gives the same bytes.
struct TarEntry {
  mode_t mode;  ///< type and permissions
  std::string path;
  std::string content;  ///< of a file; of a link, its target
  gid_t group = 0;      ///< the owner is root

  static TarEntry folder(const char* path, mode_t permissions = 0755) {
    return {S_IFDIR | permissions, path, ""};
  }
  static TarEntry file(const char* path, std::string content, mode_t permissions = 0644, gid_t group = 0) {
    return {S_IFREG | permissions, path, std::move(content), group};
  }
  static TarEntry link(std::string path, std::string target) {
    return {S_IFLNK | 0777, std::move(path), std::move(target)};
  }
};

/// Writes a tar archive.
class TarWriter {
 public:
  /// Where the bytes go.
  using Sink = std::function<void(std::span<const std::byte>)>;

  explicit TarWriter(Sink sink);
  ~TarWriter();
  TarWriter(const TarWriter&) = delete;
  TarWriter& operator=(const TarWriter&) = delete;

  void add(const TarEntry& entry);

  /// A file of `size` bytes, which need not fit into memory.
  void add_file(const std::string& path, std::uint64_t size, const ByteSource& content);

  /// Without it the archive is not complete.
  void finish();

 private:
  void add_header(const TarEntry& entry, std::uint64_t size);
  void write(std::span<const std::byte> bytes);
  void require(int result);

  Sink sink_;
  std::exception_ptr failure_;  // of the sink, on its way through libarchive
  ::archive* archive_;
};

}  // namespace workshop
