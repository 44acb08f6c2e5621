#include "common/sys/openat2.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

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

}  // namespace workshop
