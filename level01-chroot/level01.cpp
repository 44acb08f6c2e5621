// Level 01: chroot. A process that sees another root directory.

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "common/cli/options.hpp"
#include "common/image/images.hpp"
#include "common/sys/error.hpp"
#include "common/sys/process.hpp"

namespace {

using workshop::check;
using workshop::Options;

/// A directory of its own for every container: <store>/containers/<uuid>/rootfs.
std::string new_container_root(const std::string& store) {
  std::string uuid;
  std::getline(std::ifstream("/proc/sys/kernel/random/uuid"), uuid);
  return store + "/containers/" + uuid + "/rootfs";
}

std::string create_root(const Options& options) {
  const std::string root = new_container_root(options.store);
  // TODO(level01.1): unpack the image into the new root.
  //   workshop::extract(image, destination, store) in common/image/images.hpp makes the directory and fills
  //   it. Then tell the user where it is: fmt::print(stderr, ...), since standard output belongs to the
  //   command.
  // END(level01.1)
  return root;
}

void enter_root([[maybe_unused]] const std::string& root) {
  // TODO(level01.2): make it the root directory of this process.
  //   chroot(2). What if it fails? check(), in common/sys/error.hpp, throws with the call and its argument.
  // END(level01.2)
  // TODO(level01.3): step into it.
  //   chdir(2). Where is the working directory after chroot(2), and what does ".." mean there?
  // END(level01.3)
}

void set_environment() {
  // TODO(level01.4): a clean environment.
  //   clearenv(3), then setenv(3) for TERM (keep the caller's) and PATH. Who looks at PATH next?
  // END(level01.4)
}

void mount_filesystems() {
  // TODO(level01.5): /proc, /sys and a /dev that works.
  //   mount(2) "proc" on /proc, "sysfs" on /sys (read-only: MS_RDONLY), "tmpfs" on /dev; mknod(2) for
  //   /dev/null. We are inside already: "/proc" is the container's. What would a directory of the host's on
  //   /dev risk?
  // END(level01.5)
}

[[noreturn]] void child(const Options& options, const std::string& root) {
  enter_root(root);
  set_environment();
  mount_filesystems();
  workshop::execute(options.command);  // execvp(3); never returns
}

int run(const Options& options) {
  const std::string root = create_root(options);
  workshop::Supervisor supervisor;
  const pid_t pid = check(::fork(), "fork()");
  if (pid == 0) {
    workshop::run_child([&] {
      supervisor.in_child();
      child(options, root);
    });
  }
  const int status = supervisor.wait(pid);
  fmt::print(stderr, "level01: {} exited with status {}\n", pid, status);
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = workshop::parse_options(1, argc, argv);
    workshop::require_root();
    return run(options);
  } catch (...) {
    return workshop::report_exception();
  }
}
