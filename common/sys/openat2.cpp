#include "common/sys/openat2.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "common/sys/error.hpp"

namespace workshop {

int open_beneath(int directory, const std::string& path, int flags, unsigned resolve, mode_t mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = resolve;
  constexpr int kAttempts = 128;
  long fd = -1;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (fd >= 0 || errno != EAGAIN) break;
  }
  return static_cast<int>(fd);
}

namespace {

std::string without_outer_slashes(const std::string& path) {
  const auto first = path.find_first_not_of('/');
  return first == std::string::npos ? "." : path.substr(first, path.find_last_not_of('/') - first + 1);
}

/// Makes the last component of `path` in the directory that holds it. That somebody else made it meanwhile is
/// fine.
void make_in_root(int root, const std::string& path, bool directory) {
  const auto slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash);
  const std::string name = path.substr(slash + 1);
  const unique_fd folder = open_or_make_in_root(root, parent, true);
  const int result = directory ? ::mkdirat(folder.get(), name.c_str(), 0755)
                               : ::mknodat(folder.get(), name.c_str(), S_IFREG | 0644, 0);
  if (result == -1 && errno != EEXIST)
    throw_error(errno, fmt::format("making \"{}\" in the root file system", path));
}

}  // namespace

unique_fd open_or_make_in_root(int root, const std::string& name, bool directory) {
  const std::string path = without_outer_slashes(name);
  const int flags = O_PATH | (directory ? O_DIRECTORY : 0);
  unique_fd file(open_beneath(root, path, flags, RESOLVE_IN_ROOT));
  if (file || errno != ENOENT) {
    check(file.get(), "openat2(\"{}\")", path);
    return file;
  }
  make_in_root(root, path, directory);
  return unique_fd(check(open_beneath(root, path, flags, RESOLVE_IN_ROOT), "openat2(\"{}\")", path));
}

}  // namespace workshop
