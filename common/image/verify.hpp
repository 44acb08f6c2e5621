#pragma once

#include "common/image/store.hpp"

namespace workshop {

/// Reads all of the store, tells about each image and returns whether all are whole. Damaged blobs are
/// removed, so that the next pull fetches them again.
bool verify(Store& store);

}  // namespace workshop
