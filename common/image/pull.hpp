#pragma once

#include "common/image/store.hpp"

namespace workshop {

/// Brings an image from its registry into the store, unpacks it and adds it to the index. Blobs that are
/// there already are not fetched again. `platform`: that of this machine if there is none. Throws Resumable
/// if a later pull can go on where this one stopped.
void pull(const ImageName& name, const std::optional<Platform>& platform, Store& store);

}  // namespace workshop
