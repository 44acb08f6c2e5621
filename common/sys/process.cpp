#include "common/sys/process.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <sstream>

namespace workshop {
namespace {

/// What /proc/PID/status says about a process and one signal (proc_pid_status(5)).
struct SignalState {
  bool is_init = false;     // PID 1 of a PID namespace below ours
  bool has_default = true;  // neither blocked, ignored nor caught
  bool is_pending = false;
};

bool contains(const std::string& hexadecimal_mask, int signal) {
  return (std::strtoull(hexadecimal_mask.c_str(), nullptr, 16) >> (signal - 1)) & 1;
}

SignalState signal_state(pid_t pid, int signal) {
  SignalState state;
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    std::istringstream words(line);
    std::string field, value, last;
    words >> field >> value;
    if (field == "NSpid:") {
      while (words >> last) state.is_init = last == "1";
    } else if (field == "SigBlk:" || field == "SigIgn:" || field == "SigCgt:") {
      if (contains(value, signal)) state.has_default = false;
    } else if (field == "ShdPnd:") {
      state.is_pending = contains(value, signal);
    }
  }
  return state;
}

std::string command_line(pid_t pid) {
  std::string text;
  std::getline(std::ifstream("/proc/" + std::to_string(pid) + "/cmdline"), text);
  return text;
}

/// Whether a signal was lost on PID 1 of a namespace: it had a handler, but has become another program before
/// that could run. execve(2) resets handlers, and without one the kernel drops the signal
/// (pid_namespaces(7)).
bool is_lost(pid_t pid, int signal, const std::string& program) {
  constexpr timespec kMillisecond{0, 1'000'000};
  for (int i = 0; i < 50; ++i) {
    const SignalState state = signal_state(pid, signal);
    if (!state.is_pending) return state.has_default && command_line(pid) != program;
    ::nanosleep(&kMillisecond, nullptr);
  }
  return false;  // it has blocked the signal: it will see to it
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
  std::vector<char*> result;
  for (const auto& string : strings) result.push_back(const_cast<char*>(string.c_str()));
  result.push_back(nullptr);
  return result;
}

/// execve(2) says ENOENT also when the file is there and what it names as its interpreter is not.
bool is_found(const std::string& command) {
  if (command.empty()) return false;
  if (command.find('/') != std::string::npos) return ::access(command.c_str(), F_OK) == 0;
  std::istringstream path(std::getenv("PATH") ? std::getenv("PATH") : "");
  for (std::string directory; std::getline(path, directory, ':');) {
    if (::access((directory + "/" + command).c_str(), F_OK) == 0) return true;
  }
  return false;
}

/// Has the kernel kill us when our parent dies. The parent may be dead before we ask: `parent`, a pidfd,
/// tells.
void die_with_parent(const unique_fd& parent) {
  check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG)");
  pollfd exited{parent.get(), POLLIN, 0};
  if (::poll(&exited, 1, 0) == 1) ::_exit(kFailed);
}

unique_fd open_pidfd_of_self() {
  // pidfd_open(2) sets close-on-exec by itself.
  return unique_fd(
      static_cast<int>(check(::syscall(SYS_pidfd_open, ::getpid(), 0), "pidfd_open({})", ::getpid())));
}

}  // namespace

int exit_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? kSignalBase + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

Supervisor::Supervisor() : parent_(open_pidfd_of_self()) {
  has_terminal_ = ::tcgetpgrp(STDIN_FILENO) == ::getpgrp();
  ::signal(SIGCHLD, SIG_DFL);  // inherited as ignored, it would have the kernel reap the command (wait(2))
  ::sigemptyset(&passed_on_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCHLD}) {
    ::sigaddset(&passed_on_, signal);
  }
  check(::sigprocmask(SIG_BLOCK, &passed_on_, &before_), "sigprocmask(SIG_BLOCK)");
}

Supervisor::~Supervisor() {
  // An interactive shell takes the terminal for itself and, from inside a PID namespace, cannot give it back.
  if (has_terminal_) {
    sigset_t set;  // from the background, tcsetpgrp(3) would stop us
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGTTOU);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    ::tcsetpgrp(STDIN_FILENO, ::getpgrp());
  }
  ::sigprocmask(SIG_SETMASK, &before_, nullptr);
}

void Supervisor::in_child() const {
  die_with_parent(parent_);
  check(::sigprocmask(SIG_SETMASK, &before_, nullptr), "sigprocmask(SIG_SETMASK)");
}

int Supervisor::wait(pid_t pid) {
  for (;;) {
    siginfo_t signal{};
    if (::sigwaitinfo(&passed_on_, &signal) == -1) continue;  // EINTR: we were stopped and continued
    if (signal.si_signo != SIGCHLD) {
      pass_on(signal, pid);
      continue;
    }
    int status = 0;
    if (check(::waitpid(pid, &status, WNOHANG | WUNTRACED), "waitpid({})", pid) == 0) continue;
    if (WIFSTOPPED(status)) {
      ::raise(SIGSTOP);  // the caller's shell sees us stopped and takes the terminal; until its `fg` or `bg`
      ::kill(pid, SIGCONT);
      continue;
    }
    return ended_by_ != 0 ? kSignalBase + ended_by_ : exit_status(status);
  }
}

int Supervisor::wait(pid_t pid, const unique_fd& start) {
  const int status = wait(pid);
  pollfd unread{start.get(), POLLIN, 0};
  if (status == kSignalBase + SIGKILL && ::poll(&unread, 1, 0) == 1) {
    throw std::runtime_error(
        "the container was killed before its set-up ended; the kernel may say why: sudo dmesg | tail");
  }
  return status;
}

void Supervisor::kill(pid_t pid) const {
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
}

void Supervisor::pass_on(const siginfo_t& signal, pid_t pid) {
  const int number = signal.si_signo;
  const std::string program = command_line(pid);
  const SignalState command = signal_state(pid, number);
  // What the terminal sends (SI_KERNEL) goes to its whole foreground process group: the command has it
  // already.
  if (signal.si_code != SI_KERNEL) ::kill(pid, number);
  if (command.is_init && (command.has_default || is_lost(pid, number, program))) {
    const bool stop = number == SIGTSTP;
    if (!stop) ended_by_ = number;
    ::kill(pid, stop ? SIGSTOP : SIGKILL);
  }
}

void execute(const std::vector<std::string>& command) {
  if (command.empty()) throw std::runtime_error("no command to execute");
  // Descriptors the caller left open: an open directory would be a way out of any root (chroot(2)).
  check(::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC), "close_range(CLOSE_RANGE_CLOEXEC)");
  const auto argv = pointers(command);
  ::execvp(argv[0], argv.data());
  const int error = errno;
  const bool found = (error != ENOENT && error != ENOTDIR) || is_found(command[0]);
  const char* hint =
      found && error == ENOENT ? " (the file is there: its interpreter or its loader is not)" : "";
  report(fmt::format("execvp(\"{}\"): {}{}", command[0], std::strerror(error), hint));
  ::_exit(found ? kNotExecutable : kNotFound);
}

int run_helper(const std::string& program, const std::vector<std::string>& argv) {
  const unique_fd parent = open_pidfd_of_self();
  const auto arguments = pointers(argv);
  const pid_t pid = check(::fork(), "fork()");
  if (pid == 0) {
    run_child([&] {
      die_with_parent(parent);
      ::execv(program.c_str(), arguments.data());
      throw_error(errno, fmt::format("execv(\"{}\")", program));
    });
  }
  auto* const interrupt = ::signal(SIGINT, SIG_IGN);
  auto* const quit = ::signal(SIGQUIT, SIG_IGN);
  int status = 0;
  while (::waitpid(pid, &status, 0) == -1 && errno == EINTR) {
  }
  ::signal(SIGINT, interrupt);
  ::signal(SIGQUIT, quit);
  return exit_status(status);
}

}  // namespace workshop
