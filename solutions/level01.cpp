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
  // STEP(level01.1): unpack the image into the new root.
  workshop::extract(options.image, root, options.store);
  fmt::print(stderr, "level01: created a new root file system: {}\n", root);
  // END(level01.1)
  return root;
}

void enter_root([[maybe_unused]] const std::string& root) {
  // STEP(level01.2): make it the root directory of this process.
  check(::chroot(root.c_str()), "chroot(\"{}\")", root);
  // END(level01.2)
  // STEP(level01.3): step into it.
  // chroot(2) leaves the working directory where it is: outside. "." and ".." would still lead through the
  // host.
  check(::chdir("/"), "chdir(\"/\")");
  // END(level01.3)
}

void set_environment() {
  // STEP(level01.4): a clean environment.
  const char* terminal = std::getenv("TERM");
  const std::string term =
      terminal != nullptr ? terminal : "xterm";  // a copy: clearenv(3) may free the original
  check(::clearenv() == 0 ? 0 : -1, "clearenv()");
  check(::setenv("TERM", term.c_str(), 1), "setenv(\"TERM\")");
  check(::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1),
        "setenv(\"PATH\")");
  // END(level01.4)
}

void mount_filesystems() {
  // STEP(level01.5): /proc, /sys and a /dev that works.
  check(::mount("proc", "/proc", "proc", 0, nullptr), "mount(\"proc\", \"/proc\")");
  check(::mount("sysfs", "/sys", "sysfs", MS_RDONLY, nullptr), "mount(\"sysfs\", \"/sys\")");
  // A file system of our own on /dev, and not the host's: whoever deletes /dev/null in here deletes only this
  // copy.
  check(::mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755"), "mount(\"tmpfs\", \"/dev\")");
  // Device 1:3 is /dev/null on every Linux (null(4)).
  check(::mknod("/dev/null", S_IFCHR | 0666, ::makedev(1, 3)), "mknod(\"/dev/null\")");
  check(::chmod("/dev/null", 0666), "chmod(\"/dev/null\")");  // mknod(2) has applied the umask
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
