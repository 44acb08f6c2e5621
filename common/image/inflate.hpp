#pragma once

#include "common/image/byte_source.hpp"

namespace workshop {

/// What `compressed` unpacks to: gzip (RFC 1952) of one member or several, zstd (RFC 8878) of one frame or
/// several, and as it is what is neither, as the first bytes say. Not a single byte stays that.
///
/// Both formats' check sums are verified. The source throws std::runtime_error ("truncated", "corrupt") and
/// whatever `compressed` throws. zstd wants as much memory as the frame says, at most 128 MiB; everything
/// else 300 KiB.
ByteSource inflate(ByteSource compressed);

}  // namespace workshop
