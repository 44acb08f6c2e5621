#pragma once

#include <sys/types.h>

#include <span>
#include <string>
#include <string_view>

#include "common/image/byte_source.hpp"
#include "common/image/digest.hpp"
#include "common/sys/fd.hpp"

namespace workshop {

/// The bytes of a file, read from its beginning. Stops at an interrupt.
ByteSource file_source(const std::string& path);

/// A whole document, in memory; throws std::runtime_error if it is larger than kMaxDocument.
std::string read_document(const ByteSource& source);

/// mkdir(2) for `path` and whatever is missing above it, as `mkdir -p`; `mode` is for the last one.
void make_directories(const std::string& path, mode_t mode = 0755);

/// Writes all of it (write(2) may write less).
void write_all(int file, std::span<const std::byte> bytes, const std::string& path);

/// Writes a small file so that readers see the old content or the new one, never something between.
void replace_file(const std::string& path, std::string_view content);

std::span<const std::byte> bytes_of(std::string_view text);
Digest digest_of(std::string_view text);
Digest digest_of(const ByteSource& source);

}  // namespace workshop
