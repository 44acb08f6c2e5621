// Level 02: mount namespace and root directory. A container whose mounts are its own.

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "common/cli/options.hpp"
#include "common/image/images.hpp"
#include "common/sys/error.hpp"
#include "common/sys/process.hpp"

namespace {

using workshop::check;
using workshop::ImageConfig;
using workshop::Options;

/// What the child needs to know. It gets a copy: clone(2) without CLONE_VM copies the memory, as fork(2)
/// does.
struct Container {
  const Options& options;
  const workshop::Supervisor& supervisor;
  std::string root;
  ImageConfig config;
};

/// What the container does not share with the host (namespaces(7)).
int namespaces() {
  int flags = CLONE_NEWUTS | CLONE_NEWPID;
  // TODO(level02.1): a mount namespace of its own.
  //   clone(2) takes a flag for each kind of namespace. Which one is it for mounts?
  // END(level02.1)
  return flags;
}

void keep_mounts_to_ourselves() {
  // TODO(level02.2): keep our mounts to ourselves.
  //   mount(2) with MS_PRIVATE on "/" makes no new mount: it changes the one that is there. And those below
  //   it?
  // END(level02.2)
}

int pull([[maybe_unused]] const Options& options) {
  // TODO(level02.3): fetch an image from its registry.
  //   workshop::pull(image, store) in common/image/images.hpp.
  throw std::runtime_error("pull: not written yet");
  // END(level02.3)
  return 0;
}

// TODO(level02.4): the image's own root file system.
//   Until now each run unpacks the image anew, as in level 01. workshop::image_root(image, store) in
//   common/image/images.hpp gives the one root file system that all containers of an image share.
std::string container_root(const Options& options) {
  std::string uuid;
  std::getline(std::ifstream("/proc/sys/kernel/random/uuid"), uuid);
  const std::string root = options.store + "/containers/" + uuid + "/rootfs";
  workshop::extract(options.image, root, options.store);
  return root;
}
// END(level02.4)

// TODO(level02.7): bonus: pivot_root(2).
//   A function for it: pivot_root(2) has no wrapper in glibc, syscall(SYS_pivot_root, ...) calls it.
// END(level02.7)

void enter_root(const std::string& root, [[maybe_unused]] bool pivot) {
  // TODO(level02.4): say where we are before we leave.
  //   getcwd(3), and one line on standard error.
  // END(level02.4)
  // TODO(level02.7): bonus: and used with --pivot-root.
  //   After this, chroot(2) below is not reached when --pivot-root was given.
  // END(level02.7)
  check(::chroot(root.c_str()), "chroot(\"{}\")", root);
  check(::chdir("/"), "chdir(\"/\")");
}

void set_environment() {
  const char* terminal = std::getenv("TERM");
  const std::string term =
      terminal != nullptr ? terminal : "xterm";  // a copy: clearenv(3) may free the original
  check(::clearenv() == 0 ? 0 : -1, "clearenv()");
  check(::setenv("TERM", term.c_str(), 1), "setenv(\"TERM\")");
  check(::setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1),
        "setenv(\"PATH\")");
}

// TODO(level02.6): the mounts that every container gets.
//   Level 01 has three mounts and one device, written one by one. A container wants six mounts and six
//   devices: make them rows of tables, here, and let mount_filesystems() walk the tables. A row has the
//   arguments of mount(2).
// END(level02.6)

void mount_filesystems() {
  // TODO(level02.6): walk the tables.
  //   Level 01's lines, to be replaced.
  check(::mount("proc", "/proc", "proc", 0, nullptr), "mount(\"proc\", \"/proc\")");
  check(::mount("sysfs", "/sys", "sysfs", MS_RDONLY, nullptr), "mount(\"sysfs\", \"/sys\")");
  check(::mount("tmpfs", "/dev", "tmpfs", MS_NOSUID, "mode=755"), "mount(\"tmpfs\", \"/dev\")");
  check(::mknod("/dev/null", S_IFCHR | 0666, ::makedev(1, 3)), "mknod(\"/dev/null\")");
  check(::chmod("/dev/null", 0666), "chmod(\"/dev/null\")");
  // END(level02.6)
}

/// The command to run: the one that was given, else the image's own.
std::vector<std::string> prepare_command(const Container& container) {
  std::vector<std::string> command = container.options.command;
  // TODO(level02.5): the image's environment, working directory and command.
  //   container.config has them: see ImageConfig in common/image/images.hpp. setenv(3), chdir(2), and if no
  //   command was given, the entrypoint with the image's arguments behind it.
  // END(level02.5)
  if (command.empty()) throw workshop::UsageError("no command given, and none known of the image");
  return command;
}

/// The first process of the container: its set-up, line by line, and then the command.
int child(void* argument) {
  const auto& container = *static_cast<const Container*>(argument);
  workshop::run_child([&] {
    container.supervisor.in_child();
    keep_mounts_to_ourselves();
    enter_root(container.root, container.options.pivot_root);
    set_environment();
    mount_filesystems();
    workshop::execute(prepare_command(container));
  });
}

int run(const Options& options) {
  const std::string root = container_root(options);
  workshop::Supervisor supervisor;
  Container container{options, supervisor, root, {}};
  // TODO(level02.5): what the image says about its command. Read it here: inside, this file is out of reach.
  //   workshop::image_config(image, store). Why must this be read here, in the parent?
  // END(level02.5)
  alignas(16) static char stack[1 << 20];
  // clone(2) takes the end of the stack, from where it grows downwards.
  const pid_t pid = check(::clone(child, std::end(stack), namespaces() | SIGCHLD, &container), "clone()");
  return supervisor.wait(pid);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = workshop::parse_options(2, argc, argv);
    workshop::require_root();
    return options.action == Options::Action::pull ? pull(options) : run(options);
  } catch (...) {
    return workshop::report_exception();
  }
}
