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
  // STEP(level02.1): a mount namespace of its own.
  flags |= CLONE_NEWNS;
  // END(level02.1)
  return flags;
}

void keep_mounts_to_ourselves() {
  // STEP(level02.2): keep our mounts to ourselves.
  // The new namespace is a copy, and its mounts are peers of the host's wherever those are shared: systemd
  // shares them all. MS_REC, or the mounts below / would stay peers (mount_namespaces(7)).
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_REC | MS_PRIVATE)");
  // END(level02.2)
}

int pull([[maybe_unused]] const Options& options) {
  // STEP(level02.3): fetch an image from its registry.
  fmt::print(stderr, "level02: pulling {}\n", options.image);
  workshop::pull(options.image, options.store);
  // END(level02.3)
  return 0;
}

// STEP(level02.4): the image's own root file system.
/// One for all containers of the image: what they write stays.
std::string container_root(const Options& options) {
  return workshop::image_root(options.image, options.store);
}
// END(level02.4)

// STEP(level02.7): bonus: pivot_root(2).
void pivot_into(const std::string& root) {
  // The new root has to be a mount point: bind the directory onto itself (pivot_root(2), EINVAL and EBUSY).
  check(::mount(root.c_str(), root.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "mount(\"{}\", MS_BIND)",
        root);
  check(::chdir(root.c_str()), "chdir(\"{}\")", root);
  // With "." twice, the old root is mounted on top of the new one, and one umount2 takes it out of the tree
  // for good.
  check(::syscall(SYS_pivot_root, ".", "."), "pivot_root(\".\", \".\")");
  check(::umount2(".", MNT_DETACH), "umount2(\".\", MNT_DETACH)");
  check(::chdir("/"), "chdir(\"/\")");
}
// END(level02.7)

void enter_root(const std::string& root, [[maybe_unused]] bool pivot) {
  // STEP(level02.4): say where we are before we leave.
  char directory[4096];
  if (::getcwd(directory, sizeof directory) != nullptr)
    fmt::print(stderr, "level02: leaving {}\n", directory);
  // END(level02.4)
  // STEP(level02.7): bonus: and used with --pivot-root.
  if (pivot) return pivot_into(root);
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

// STEP(level02.6): the mounts that every container gets.
/// A row each: the arguments of mount(2).
struct Mount {
  const char* source;
  const char* target;
  const char* type;
  unsigned long flags;
  const char* data;
};

constexpr unsigned long kSafe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

constexpr Mount kMounts[] = {
    {"proc", "/proc", "proc", kSafe, nullptr},
    {"tmpfs", "/dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=64m"},
    {"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"},
    {"mqueue", "/dev/mqueue", "mqueue", kSafe, nullptr},
    {"shm", "/dev/shm", "tmpfs", kSafe, "mode=1777,size=64m"},
    {"sysfs", "/sys", "sysfs", kSafe | MS_RDONLY, nullptr},
};

/// Character devices and their numbers: the same on every Linux (mem(4), null(4), random(4), tty(4)).
struct Device {
  const char* path;
  unsigned major, minor;
};

constexpr Device kDevices[] = {
    {"/dev/null", 1, 3},   {"/dev/zero", 1, 5},    {"/dev/full", 1, 7},
    {"/dev/random", 1, 8}, {"/dev/urandom", 1, 9}, {"/dev/tty", 5, 0},
};

constexpr const char* kLinks[][2] = {
    {"/proc/self/fd", "/dev/fd"},       {"/proc/self/fd/0", "/dev/stdin"}, {"/proc/self/fd/1", "/dev/stdout"},
    {"/proc/self/fd/2", "/dev/stderr"}, {"pts/ptmx", "/dev/ptmx"},
};
// END(level02.6)

void mount_filesystems() {
  // STEP(level02.6): walk the tables.
  for (const Mount& row : kMounts) {
    if (::mkdir(row.target, 0755) == -1 && errno != EEXIST) check(-1, "mkdir(\"{}\")", row.target);
    check(::mount(row.source, row.target, row.type, row.flags, row.data), "mount(\"{}\", \"{}\")", row.source,
          row.target);
  }
  for (const Device& row : kDevices) {
    check(::mknod(row.path, S_IFCHR | 0666, ::makedev(row.major, row.minor)), "mknod(\"{}\")", row.path);
    check(::chmod(row.path, 0666), "chmod(\"{}\")", row.path);  // mknod(2) has applied the umask
  }
  for (const auto& [target, path] : kLinks)
    check(::symlink(target, path), "symlink(\"{}\", \"{}\")", target, path);
  // END(level02.6)
}

/// The command to run: the one that was given, else the image's own.
std::vector<std::string> prepare_command(const Container& container) {
  std::vector<std::string> command = container.options.command;
  // STEP(level02.5): the image's environment, working directory and command.
  const ImageConfig& config = container.config;
  for (const std::string& variable : config.environment) {
    const std::string name = variable.substr(0, variable.find('='));
    const std::string value = variable.size() > name.size() ? variable.substr(name.size() + 1) : "";
    check(::setenv(name.c_str(), value.c_str(), 1), "setenv(\"{}\")", name);
  }
  const std::string directory = config.working_directory.empty() ? "/" : config.working_directory;
  check(::chdir(directory.c_str()), "chdir(\"{}\")", directory);
  if (command.empty()) {
    command = config.entrypoint;
    command.insert(command.end(), config.command.begin(), config.command.end());
  }
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
  // STEP(level02.5): what the image says about its command. Read it here: inside, this file is out of reach.
  container.config = workshop::image_config(options.image, options.store);
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
