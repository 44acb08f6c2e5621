#pragma once

#include <string>

namespace workshop {

/// Who uses the root file system `rootfs`: "process 1234 (sh) has it as its root", "proc is mounted on
/// .../proc". Empty if nobody does, as far as we may see.
std::string user_of_root(const std::string& rootfs);

}  // namespace workshop
