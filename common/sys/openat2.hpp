#pragma once

#include <fcntl.h>
#include <linux/openat2.h>

#include <string>

#include "common/sys/fd.hpp"

namespace workshop {

/// openat2(2), which glibc does not wrap: opens `path` below `directory` under the restrictions `resolve`
/// (RESOLVE_*). O_CLOEXEC is added to `flags`; `mode` is for O_CREAT. -1 and errno when it fails, so for
/// check().
///
/// When a file is renamed anywhere in the system meanwhile, the kernel may be unable to tell that `..` stayed
/// inside, and says EAGAIN: it is asked again, a bounded number of times.
int open_beneath(int directory, const std::string& path, int flags, unsigned resolve, mode_t mode = 0);

/// Opens (O_PATH) what `path` names inside the directory `root`, as a process with that root directory would
/// find it: no symbolic link leads out. What is missing is made: directories, and last a directory or an
/// empty file.
unique_fd open_or_make_in_root(int root, const std::string& path, bool directory);

}  // namespace workshop
