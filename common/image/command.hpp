#pragma once

#include <string>
#include <vector>

#include "common/image/images.hpp"

namespace workshop {

// What levels 1 and 2 write by hand, for the levels after them.

/// Makes `root` the root directory, with chroot(2) or pivot_root(2), and the working directory, and mounts a
/// /proc. In a user namespace that has to happen while the host's /proc is still in the mount namespace: the
/// kernel refuses (EPERM) to show more of it than can be seen already.
void enter_root(const std::string& root, bool pivot);

/// Call it inside the container: it clears the
/// environment but for TERM, sets PATH and the image's variables, goes to the image's working directory ("/"
/// if it names none) and returns the command to run: the one that was given, else the image's own.
std::vector<std::string> prepare_image_command(const std::vector<std::string>& given,
                                               const ImageConfig& config);

}  // namespace workshop
