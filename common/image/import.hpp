#pragma once

#include "common/image/store.hpp"

namespace workshop {

/// Brings the image in `path` into the store as `name`: an archive of `docker save`, an OCI image layout
/// (folder or archive), or the archive of a root file system, as what is in it says. An archive with several
/// images must have one of that name. Without a name: all images of the archive, under their own names.
///
/// All digests are verified before the first image appears. Throws std::runtime_error.
void import_images(const std::optional<ImageName>& name, const std::string& path, const Platform& platform,
                   Store& store);

}  // namespace workshop
