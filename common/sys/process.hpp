#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"

namespace workshop {

/// What a shell says of a wait status (wait(2)): the exit status, or 128 + N when signal N ended the process.
int exit_status(int wait_status);

/// Ties the container to the program that started it, in both directions: signals sent to the program are
/// passed on to the command, and when the program dies, so does the command.
///
///     Supervisor supervisor;            // before fork or clone: from here on no signal is lost
///     pid_t pid = fork();
///     if (pid == 0) run_child([&] { supervisor.in_child(); ...; execute(command); });
///     return supervisor.wait(pid);
class Supervisor {
 public:
  /// Blocks INT, TERM, HUP, QUIT, TSTP and CHLD, which wait() then takes one by one.
  Supervisor();
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  /// In the child: gives it the caller's signal mask back, and has the kernel kill it when the parent dies.
  /// The kernel forgets the latter when ids change (PR_SET_PDEATHSIG(2const)): call it again after setuid(2).
  void in_child() const;

  /// Waits for `pid` to end and returns its exit status, 128 + N for signal N. Until then passes signals on.
  /// PID 1 of a PID namespace gets only signals it has a handler for (pid_namespaces(7)): where it has none,
  /// the container is ended with SIGKILL, and the status is that of the signal that was meant. When the
  /// command is stopped (Ctrl-Z), so are we.
  int wait(pid_t pid);

  /// The same for a child that first reads a byte from the pipe `start`. Throws if it was killed before it
  /// did: its status would pass for the command's.
  int wait(pid_t pid, const unique_fd& start);

  /// Ends `pid` when its set-up has failed half-way, and reaps it.
  void kill(pid_t pid) const;

 private:
  void pass_on(const siginfo_t& signal, pid_t pid);

  sigset_t passed_on_;
  sigset_t before_;
  unique_fd parent_;           // pidfd of this process, for the child to see whether it still lives
  bool has_terminal_ = false;  // we were in the terminal's foreground when we started
  int ended_by_ = 0;           // the signal for which we killed PID 1
};

/// Runs `function`, which must not return, in a forked child. What it throws is reported, and the child ends
/// with status 125: no exception, destructor or atexit handler of the parent runs in the child.
template <class Function>
[[noreturn]] void run_child(Function&& function) {
  try {
    function();
  } catch (...) {
    ::_exit(report_exception());
  }
  ::_exit(kFailed);
}

/// Replaces the process by `command`, looked up in PATH as execvp(3) does. Only descriptors 0, 1 and 2 go
/// with it. When that fails, says so and ends with 127 (not found) or 126 (found, but it cannot be executed).
[[noreturn]] void execute(const std::vector<std::string>& command);

/// Runs a helper program to its end and returns its exit status, 128 + N for signal N. It dies with us;
/// Ctrl-C is its to handle while it runs, as in system(3). argv[0] may differ from `program`, a path.
int run_helper(const std::string& program, const std::vector<std::string>& argv);

}  // namespace workshop
