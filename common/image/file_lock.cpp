#include "common/image/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/image/interrupt.hpp"
#include "common/image/say.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

using namespace std::chrono_literals;

constexpr auto kLongestPause = 50ms;
constexpr auto kMoment = 100ms;  // shorter waits are nothing to talk about

bool try_lock(int file, int operation, const std::string& path) {
  if (::flock(file, operation | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  throw_error(errno, fmt::format("flock(\"{}\")", path));
}

/// Who holds the lock, as far as /proc/locks (proc_locks(5)) tells; "1: FLOCK ADVISORY WRITE 1234 fe:00:56 0
/// EOF"
std::string holder_of(int file) {
  struct stat status {};
  ::fstat(file, &status);
  const std::string wanted =
      fmt::format("{:02x}:{:02x}:{}", major(status.st_dev), minor(status.st_dev), status.st_ino);
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, advisory, access, pid, where, command;
    words >> number >> kind >> advisory >> access >> pid >> where;
    if (kind != "FLOCK" || where != wanted) continue;
    if (std::getline(std::ifstream("/proc/" + pid + "/comm"), command))
      return fmt::format("process {} ({})", pid, command);
  }
  return "another program";
}

}  // namespace

// Asks again and again: a signal that came just before a flock(2) that waits would not end it.
void lock_file(int file, int operation, const std::string& path, const LockWait& wait) {
  const auto begin = std::chrono::steady_clock::now();
  std::chrono::milliseconds pause = 1ms;
  for (bool told = false; !try_lock(file, operation, path);) {
    throw_if_interrupted();
    if (wait.cancelled && *wait.cancelled)
      throw std::runtime_error(fmt::format("gave up waiting for {}", path));
    if (!told && std::chrono::steady_clock::now() - begin >= kMoment) {
      wait.tell(holder_of(file));
      told = true;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min<std::chrono::milliseconds>(2 * pause, kLongestPause);
  }
}

FileLock::FileLock(const std::string& path, Mode mode)
    : file_(check(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644), "open(\"{}\")", path)) {
  LockWait wait;
  wait.tell = [&](const std::string& holder) {
    say(fmt::format("waiting for {}, which uses {}", holder, path.substr(0, path.rfind("/locks/"))));
  };
  lock_file(file_.get(), mode == Mode::shared ? LOCK_SH : LOCK_EX, path, wait);
}

}  // namespace workshop
