// What levels 1 and 2 need, as root.

#include "common/runner/need_functions.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "common/runner/command.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"

namespace workshop {

Answer root_access(const Machine& machine) {
  if (machine.is_root) return {};
  if (::geteuid() == 0) return explain({EPERM, "levels 1 and 2 need root of the machine"});
  const std::string name = machine.user ? machine.user->name : std::to_string(::geteuid());
  if (!has_program("sudo")) {
    return failed("levels 1 and 2 need root, and there is no sudo",
                  fmt::format("su -c 'apt-get install sudo && adduser {} sudo'   (and log in anew)", name));
  }
  const Output output = capture({{"sudo", "-n", "true"}, {{"LC_ALL", "C"}}, {}, true});
  // With a password it may or may not let us in: only typing it would tell.
  if (output.status == 0 || output.text.find("password") != std::string::npos) return {};
  return failed(
      "sudo does not let you in: " + output.text.substr(0, output.text.find('\n')),
      fmt::format("su -c 'adduser {} sudo'   (and log in anew; Fedora: usermod -aG wheel {})", name, name));
}

namespace {

Answer tried_as_root(const Machine& machine, const std::function<void()>& function) {
  if (::geteuid() != 0) return {Answer::State::untried, "needs root to be tried", "sudo ./workshop doctor"};
  const auto failure = attempt(function);
  if (!failure) return {};
  const bool refused = failure->error == EPERM || failure->error == EACCES;
  // What limits user namespaces does not limit root of the machine.
  if (!machine.is_root || !has_proc() || !refused) return explain(*failure);
  return failed(failure->what + ": root has not all its capabilities here, as in a container", kPrivileged);
}

}  // namespace

Answer root_mounts(const Machine& machine) {
  return tried_as_root(machine, [] {
    check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
    mount_scratch();
    check(::chroot("/tmp"), "chroot(\"/tmp\")");
  });
}

Answer root_proc(const Machine& machine) {
  return tried_as_root(machine, [] {
    check(::unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS),
          "unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS)");
    make_mounts_private();
    as_first_process(mount_proc);
  });
}

Answer root_devices(const Machine& machine) {
  return tried_as_root(machine, [] {
    check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
    mount_scratch();
    check(::mknod("/tmp/null", S_IFCHR | 0666, makedev(1, 3)), "mknod(\"null\", 1, 3)");
    const unique_fd null(check(::open("/tmp/null", O_WRONLY | O_CLOEXEC), "open(\"null\")"));
  });
}

}  // namespace workshop
