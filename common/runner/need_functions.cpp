#include "common/runner/need_functions.hpp"

#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "common/sys/error.hpp"
#include "common/sys/user_namespace.hpp"

namespace workshop {

Answer failed(const std::string& problem, const std::string& mend) {
  return {Answer::State::failed, problem, mend};
}

std::string own_status(const std::string& name) {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name + ":\t", 0) == 0) return line.substr(name.size() + 2);
  }
  return "";
}

bool has_proc() {
  return ::access("/proc/self/status", R_OK) == 0;
}

Answer explain(const Failure& failure) {
  if (!has_proc()) {
    return failed("there is no /proc here, and so no way to see or set anything of a process",
                  "sudo mount -t proc proc /proc");
  }
  const std::string hint = user_namespace_hint(failure.error);
  if (const auto command = hint.rfind(": "); command != std::string::npos) {
    return failed(hint.substr(0, command), hint.substr(command + 2));
  }
  if (failure.error != EPERM && failure.error != EACCES) return failed(failure.what, kVirtualMachine);
  if (own_status("Seccomp") == "2") {
    return failed("a filter for system calls forbids it, as in a container (seccomp(2)): " + failure.what,
                  kPrivileged);
  }
  if (!is_root_of_machine() && ::geteuid() == 0) {
    return failed("you are root of a user namespace, not of the machine: " + failure.what,
                  "run this outside of that container");
  }
  if (failure.what.find("CLONE_NEWUSER") != std::string::npos) {
    return failed(
        "the kernel makes no user namespace in a chroot (unshare(2), EPERM). Is this one? " + failure.what,
        "leave it, or enter it with pivot_root(2) instead, as bwrap and systemd-nspawn do");
  }
  return failed(failure.what, kVirtualMachine);
}

Answer tried(const std::function<void()>& function, const std::optional<User>& user) {
  const auto ids = user ? std::optional(std::pair(user->uid, user->gid)) : std::nullopt;
  const auto failure = attempt(function, ids);
  return failure ? explain(*failure) : Answer{};
}

void make_mounts_private() {
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_REC | MS_PRIVATE)");
}

void mount_scratch() {
  make_mounts_private();
  check(::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr), "mount(\"tmpfs\", \"/tmp\")");
}

void as_first_process(const std::function<void()>& function) {
  if (const auto failure = attempt(function)) throw_error(failure->error, failure->what);
}

void mount_proc() {
  check(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
        "mount(\"proc\", \"/proc\")");
}

}  // namespace workshop
