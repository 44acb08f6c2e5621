#pragma once

#include "common/image/store.hpp"

namespace workshop {

/// Whether `name` is the image that needs no registry: `busybox`.
bool is_builtin(const ImageName& name);

/// Makes it, as a real OCI image, from the distribution's static busybox: the same bytes for the same
/// busybox. Throws std::runtime_error that names the package if there is no such busybox.
StoredImage make_builtin(Store& store);

}  // namespace workshop
