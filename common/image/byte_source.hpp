#pragma once

#include <cstddef>
#include <functional>
#include <span>

namespace workshop {

/// Where bytes come from, as read(2): fills the span from its beginning and returns how many bytes it put
/// there, at least one, or 0 at the end; throws when it fails.
using ByteSource = std::function<std::size_t(std::span<std::byte>)>;

}  // namespace workshop
