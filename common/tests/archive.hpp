#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "common/image/byte_source.hpp"

namespace workshop::testing {

/// An entry of an archive to be written.
struct Entry {
  enum Type { file, directory, link, hard_link, fifo, character_device, block_device };

  Type type;
  std::string name;
  std::string text = {};  ///< what the file contains, or what the link names
  unsigned mode = 0644;
  std::int64_t uid = 0, gid = 0;
  std::int64_t seconds = 1'000'000'000;
  long nanoseconds = 0;
  std::map<std::string, std::string> attributes = {};
};

/// A layer with these entries. `format` is "pax", "ustar" or "gnutar" and `filter` "none", "gzip" or "zstd",
/// as libarchive calls them.
std::string make_layer(const std::vector<Entry>& entries, const std::string& format = "pax",
                       const std::string& filter = "none");

/// Compresses anything, as it is.
std::string compress(const std::string& bytes, const std::string& filter);

/// Hands out the bytes of a string, at most `piece` at a time.
ByteSource source_of(const std::string& bytes, std::size_t piece = 64 << 10);

}  // namespace workshop::testing
