#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "common/sys/fd.hpp"

namespace workshop {

/// What somebody does who has to wait for a lock.
struct LockWait {
  /// Told once, after a moment, who holds it: "process 1234 (image)".
  std::function<void(const std::string& holder)> tell = [](const std::string&) {};
  const std::atomic<bool>* cancelled = nullptr;  ///< ends the waiting from another thread
};

/// Takes a lock of flock(2) on an open file: LOCK_SH or LOCK_EX. Throws Interrupted, and std::runtime_error
/// when it is cancelled.
void lock_file(int file, int operation, const std::string& path, const LockWait& wait);

/// A lock on a file, given back with the object, or by the kernel when the process dies.
class FileLock {
 public:
  enum class Mode { shared, exclusive };

  /// Waits for whoever holds it, after a line to the user that says so; an interrupt ends the waiting.
  FileLock(const std::string& path, Mode mode);

 private:
  unique_fd file_;
};

}  // namespace workshop
