#pragma once

#include "common/image/unpack.hpp"

namespace workshop {

/// Writes the images into one archive, an OCI image layout, with the digests they have. The same images give
/// the same bytes. `path` appears when it is complete.
void save(const std::vector<Image>& images, const std::string& path);

}  // namespace workshop
