// Level 05: chroot and mounts. The whole container, without root.

#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "common/cli/options.hpp"
#include "common/image/command.hpp"
#include "common/image/images.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/id_maps.hpp"
#include "common/sys/openat2.hpp"
#include "common/sys/process.hpp"

namespace {

using workshop::check;
using workshop::Options;
using workshop::unique_fd;

/// What the child needs to know. It gets a copy: clone(2) without CLONE_VM copies the memory, as fork(2)
/// does.
struct Container {
  const Options& options;
  const workshop::Supervisor& supervisor;
  std::string root;  // empty: the host's own
  workshop::ImageConfig config;
  unique_fd child_end;   // of a pipe: the child reads here
  unique_fd parent_end;  // and the parent writes here
};

/// What the container does not share with the host (namespaces(7)).
constexpr int kNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID;

/// A mount in the container: the arguments of mount(2), the target below the root.
struct Mount {
  const char* source;
  const char* target;
  const char* type;  // null: a bind mount
  unsigned long flags;
  const char* data;
};

constexpr unsigned long kSafe = MS_NOSUID | MS_NODEV | MS_NOEXEC;

const std::vector<Mount> kMounts = {
    // TODO(level05.1): a fresh /proc.
    //   A row of the table: {"proc", ...}. A new mount, or a bind mount of the host's? Whose processes does
    //   each show?
    // END(level05.1)
    // TODO(level05.2): devices and terminals.
    //   Six rows: null, full, random, urandom, zero, tty, each bound from the host (MS_BIND). And a devpts of
    //   our own on dev/pts: "newinstance,ptmxmode=0666,mode=0620".
    // END(level05.2)
    // TODO(level05.3): the host's /sys, with all that is mounted below.
    //   A bind mount of the host's. MS_BIND alone fails: what else is mounted below /sys?
    // END(level05.3)
};

void make_read_only([[maybe_unused]] const std::string& path) {
  // TODO(level05.5): read-only binds: a second mount(2).
  //   mount(2) with MS_REMOUNT | MS_BIND | MS_RDONLY. Flags that are set already must be given again:
  //   statvfs(3) tells.
  // END(level05.5)
}

/// Mounts a row below `root`. The target is found, or made, as from inside: a symbolic link of the image's
/// that leads to "/etc" leads to the container's, not to the host's.
void mount_row(const unique_fd& root, const Mount& row) {
  struct stat source {};
  if (row.type == nullptr) check(::stat(row.source, &source), "stat(\"{}\")", row.source);
  const bool directory = row.type != nullptr || S_ISDIR(source.st_mode);
  const auto path = [&](const unique_fd& file) { return fmt::format("/proc/self/fd/{}", file.get()); };
  const unique_fd target = workshop::open_or_make_in_root(root.get(), row.target, directory);
  check(::mount(row.source, path(target).c_str(), row.type, row.flags, row.data), "mount(\"{}\", \"{}\")",
        row.source, row.target);
  if (row.type != nullptr || (row.flags & MS_RDONLY) == 0) return;
  make_read_only(
      path(workshop::open_or_make_in_root(root.get(), row.target, directory)));  // what is on top now
}

// TODO(level05.8): bonus: --volume.
//   A function for one volume: mount_row(), and for read-only ones all that is mounted below as well.
// END(level05.8)

void mount_filesystems(const Container& container) {
  const std::string& path = container.root;
  const unique_fd root(check(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open(\"{}\")", path));
  for (const Mount& row : kMounts) mount_row(root, row);
  // TODO(level05.2): /dev/ptmx, a link.
  //   To pts/ptmx: unlinkat(2) what is there, symlinkat(2).
  // END(level05.2)
  // TODO(level05.4): the host's name servers, also when they change.
  //   mount_row() with MS_BIND | MS_RDONLY: a row that depends on whether the host has the file.
  // END(level05.4)
  // TODO(level05.8): bonus: what was asked for with --volume.
  //   Each of container.options.volumes.
  // END(level05.8)
}

// TODO(level05.9): bonus: pivot_root(2), as in level 02.
//   A function for it, as in level 02.
// END(level05.9)

void enter_root([[maybe_unused]] const Container& container) {
  // TODO(level05.9): bonus: if --pivot-root is given.
  //   Instead of what follows.
  // END(level05.9)
  // TODO(level05.6): and now inside.
  //   chroot(2) and chdir(2), as in level 01.
  // END(level05.6)
}

// TODO(level05.7): bonus: --user, as the container's own files know the user.
//   Find the user in the container's /etc/passwd and /etc/group: fgetpwent(3), fgetgrent(3). Then
//   setgroups(2), setgid(2), setuid(2) and HOME.
// END(level05.7)

void wait_for_parent(Container& container) {
  container.parent_end.reset();  // our copy of it: a pipe ends when the last one is closed
  char byte = 0;
  if (check(::read(container.child_end.get(), &byte, 1), "read()") == 0) ::_exit(workshop::kFailed);
}

/// The first process of the container: its set-up, line by line, and then the command.
int child(void* argument) {
  auto& container = *static_cast<Container*>(argument);
  const Options& options = container.options;
  workshop::run_child([&] {
    container.supervisor.in_child();
    wait_for_parent(container);
    check(::setgid(0), "setgid(0)");
    check(::setuid(0), "setuid(0)");
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_REC | MS_PRIVATE)");
    if (!options.hostname.empty()) {
      check(::sethostname(options.hostname.data(), options.hostname.size()), "sethostname(\"{}\")",
            options.hostname);
    }
    std::vector<std::string> command = options.command;
    if (container.root.empty()) {
      check(::mount("proc", "/proc", "proc", kSafe, nullptr), "mount(\"proc\", \"/proc\")");
    } else {
      mount_filesystems(container);
      enter_root(container);
      // TODO(level05.7): bonus: nothing of the caller's: neither the environment nor the groups.
      //   workshop::prepare_image_command(command, config) in common/image/command.hpp clears the
      //   environment; then be the user of --user, or root.
      // END(level05.7)
    }
    container.supervisor.in_child();  // again: when ids change, the kernel forgets whom we are to die with
    workshop::execute(command);
  });
}

int run(const Options& options, const workshop::IdMaps& maps) {
  std::string root = options.root;
  workshop::ImageConfig config;
  if (root.empty() && !options.image.empty()) {
    root = workshop::image_root(options.image, options.store);
    config = workshop::image_config(options.image, options.store);
  }
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  workshop::Supervisor supervisor;
  Container container{options, supervisor, root, config, unique_fd(ends[0]), unique_fd(ends[1])};
  alignas(16) static char stack[1 << 20];
  const pid_t pid = check(::clone(child, std::end(stack), kNamespaces | SIGCHLD, &container), "clone()");
  try {
    workshop::write_id_maps(pid, maps);
    check(::write(container.parent_end.get(), "", 1), "write()");
  } catch (...) {
    supervisor.kill(pid);
    throw;
  }
  return supervisor.wait(pid, container.child_end);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = workshop::parse_options(5, argc, argv);
    if (options.action == Options::Action::pull) {
      workshop::pull(options.image, options.store);
      return 0;
    }
    const auto maps = workshop::make_id_maps(::geteuid(), ::getegid(), options.map_uid, options.map_gid);
    if (options.action == Options::Action::run) return run(options, maps);
    workshop::print_id_maps(maps);
    return 0;
  } catch (...) {
    return workshop::report_exception();
  }
}
