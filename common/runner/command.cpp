#include "common/runner/command.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/process.hpp"
#include "common/sys/user.hpp"

namespace workshop {
namespace {

/// What is ignored or blocked stays so (execve(2)), and the runner may have done either.
void give_signals_back() {
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGQUIT, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  check(::sigprocmask(SIG_SETMASK, &none, nullptr), "sigprocmask(SIG_SETMASK)");
}

/// Forks and executes. `output`, where it is open, becomes standard output.
pid_t start(const Command& command, const unique_fd& output) {
  std::fflush(stdout);
  const pid_t parent = ::getpid();
  const pid_t pid = check(::fork(), "fork()");
  if (pid != 0) return pid;
  run_child([&] {
    give_signals_back();
    if (output) check(::dup2(output.get(), STDOUT_FILENO), "dup2()");
    if (output && command.with_errors) check(::dup2(output.get(), STDERR_FILENO), "dup2()");
    if (!command.folder.empty())
      check(::chdir(command.folder.c_str()), "chdir(\"{}\")", command.folder.string());
    for (const auto& [name, value] : command.environment) ::setenv(name.c_str(), value.c_str(), 1);
    if (command.user && ::geteuid() == 0) become(command.user->first, command.user->second);
    check(::prctl(PR_SET_PDEATHSIG, SIGTERM), "prctl(PR_SET_PDEATHSIG)");
    if (::getppid() != parent) ::_exit(kFailed);  // it died before we could ask
    execute(command.argv);
  });
}

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) == -1) {
    if (errno != EINTR) throw_error(errno, fmt::format("waitpid({})", pid));
  }
  return exit_status(status);
}

void read_to_end(const unique_fd& from,
                 const std::function<void(const char* data, std::size_t length)>& take) {
  char buffer[4096];
  for (;;) {
    const ssize_t length = ::read(from.get(), buffer, sizeof buffer);
    if (length == -1 && errno == EINTR) continue;
    if (check(length, "read()") == 0) return;
    take(buffer, static_cast<std::size_t>(length));
  }
}

int run_with_pipe(const Command& command, const std::function<void(const char*, std::size_t)>& take) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  const unique_fd output(ends[0]);
  unique_fd input(ends[1]);
  const pid_t pid = start(command, input);
  input.reset();
  read_to_end(output, take);
  return wait_for(pid);
}

}  // namespace

int run(const Command& command) {
  return wait_for(start(command, unique_fd()));
}

Output capture(const Command& command) {
  Output output;
  output.status =
      run_with_pipe(command, [&](const char* data, std::size_t length) { output.text.append(data, length); });
  return output;
}

int run_by_line(const Command& command, const std::function<void(const std::string&)>& on_line) {
  std::string line;
  const int status = run_with_pipe(command, [&](const char* data, std::size_t length) {
    for (const char* c = data; c != data + length; ++c) {
      if (*c != '\n') {
        line += *c;
        continue;
      }
      on_line(line);
      line.clear();
    }
  });
  if (!line.empty()) on_line(line);
  return status;
}

void become_root(char** argv, const std::string& why, const std::vector<std::string>& environment) {
  if (::geteuid() == 0) return;
  if (!has_program("sudo")) {
    throw std::runtime_error(fmt::format("this needs root to {}, and there is no sudo: run it as root", why));
  }
  report(fmt::format("this needs root to {}: sudo may ask for your password", why));
  std::vector<std::string> command = {"sudo", "--", "env"};
  for (const auto& name : environment) {
    if (const char* value = std::getenv(name.c_str())) command.push_back(name + "=" + value);
  }
  command.push_back(std::filesystem::read_symlink("/proc/self/exe"));
  for (char** argument = argv + 1; *argument != nullptr; ++argument) command.emplace_back(*argument);
  execute(command);
}

std::string find_program(const std::string& name) {
  std::istringstream path(std::getenv("PATH") != nullptr ? std::getenv("PATH") : "");
  for (std::string folder; std::getline(path, folder, ':');) {
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return folder + "/" + name;
  }
  return "";
}

bool has_program(const std::string& name) {
  return !find_program(name).empty();
}

}  // namespace workshop
