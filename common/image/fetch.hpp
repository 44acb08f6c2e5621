#pragma once

#include "common/image/registry.hpp"

namespace workshop {

/// Fetches the blobs that the store does not have, several at a time. With `show`, their progress is shown.
void fetch_blobs(Registry& registry, const std::vector<Descriptor>& blobs, Store& store, bool show);

}  // namespace workshop
