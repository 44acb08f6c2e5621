#include "common/runner/attempt.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <system_error>

#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/process.hpp"
#include "common/sys/user.hpp"

namespace workshop {
namespace {

constexpr unsigned kSeconds = 10;

void be_quiet() {
  const unique_fd null(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  if (!null) return;  // as in a chroot without devices
  ::dup2(null.get(), STDOUT_FILENO);
  ::dup2(null.get(), STDERR_FILENO);
}

/// Over the pipe go the error number and then the text; nothing at all where all went well.
void tell(int pipe, int error, const std::string& what) {
  std::string message(reinterpret_cast<const char*>(&error), sizeof error);
  message += what.substr(0, 2000);  // one write, below PIPE_BUF (pipe(7))
  [[maybe_unused]] const auto written = ::write(pipe, message.data(), message.size());
}

[[noreturn]] void try_it(const std::function<void()>& function,
                         const std::optional<std::pair<uid_t, gid_t>>& user, int pipe) {
  try {
    ::alarm(kSeconds);
    be_quiet();
    if (user && user->first != 0 && ::geteuid() == 0) become(user->first, user->second);
    // Without it /proc/self/uid_map would still be root's (PR_SET_DUMPABLE(2const)).
    check(::prctl(PR_SET_DUMPABLE, 1), "prctl(PR_SET_DUMPABLE)");
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG)");
    function();
  } catch (const std::system_error& error) {
    tell(pipe, error.code().value(), error.what());
  } catch (const std::exception& error) {
    tell(pipe, 0, error.what());
  }
  ::_exit(0);
}

std::string read_all(int pipe) {
  std::string text;
  char buffer[4096];
  for (ssize_t length; (length = ::read(pipe, buffer, sizeof buffer)) != 0;) {
    if (length == -1 && errno != EINTR) throw_error(errno, "read()");
    if (length > 0) text.append(buffer, static_cast<std::size_t>(length));
  }
  return text;
}

}  // namespace

std::optional<Failure> attempt(const std::function<void()>& function,
                               const std::optional<std::pair<uid_t, gid_t>>& user) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  const unique_fd output(ends[0]);
  unique_fd input(ends[1]);
  const pid_t pid = check(::fork(), "fork()");
  if (pid == 0) try_it(function, user, input.get());
  input.reset();
  const std::string told = read_all(output.get());
  int status = 0;
  while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
  }
  if (told.size() > sizeof(int)) {
    int error = 0;
    told.copy(reinterpret_cast<char*>(&error), sizeof error);
    return Failure{error, told.substr(sizeof error)};
  }
  if (status == 0) return std::nullopt;
  return Failure{0, fmt::format("the attempt ended with status {}", exit_status(status))};
}

}  // namespace workshop
