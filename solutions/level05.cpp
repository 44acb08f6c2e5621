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
    // STEP(level05.1): a fresh /proc.
    // It shows the PID namespace of who mounts it; a bind mount would show the host's.
    {"proc", "proc", "proc", kSafe, nullptr},
    // END(level05.1)
    // STEP(level05.2): devices and terminals.
    // We may not make nodes, but we may show those that the host has made.
    {"/dev/null", "dev/null", nullptr, MS_BIND, nullptr},
    {"/dev/full", "dev/full", nullptr, MS_BIND, nullptr},
    {"/dev/random", "dev/random", nullptr, MS_BIND, nullptr},
    {"/dev/urandom", "dev/urandom", nullptr, MS_BIND, nullptr},
    {"/dev/zero", "dev/zero", nullptr, MS_BIND, nullptr},
    {"/dev/tty", "dev/tty", nullptr, MS_BIND, nullptr},
    {"devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"},
    // END(level05.2)
    // STEP(level05.3): the host's /sys, with all that is mounted below.
    // A fresh one needs a network namespace of ours. MS_REC: the mounts below are locked onto it, since they
    // came from a more privileged namespace (mount_namespaces(7)).
    {"/sys", "sys", nullptr, MS_BIND | MS_REC, nullptr},
    // END(level05.3)
};

void make_read_only([[maybe_unused]] const std::string& path) {
  // STEP(level05.5): read-only binds: a second mount(2).
  // The first one ignores MS_RDONLY.
  // The flags that are set stay set: the outer namespace may have locked them, and EPERM would be the answer.
  static constexpr unsigned long kKept[][2] = {
      {ST_NOSUID, MS_NOSUID},   {ST_NODEV, MS_NODEV},           {ST_NOEXEC, MS_NOEXEC},
      {ST_NOATIME, MS_NOATIME}, {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME},
  };
  struct statvfs state {};
  check(::statvfs(path.c_str(), &state), "statvfs(\"{}\")", path);
  unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY;
  for (const auto& [is_set, keep] : kKept) flags |= (state.f_flag & is_set) != 0 ? keep : 0;
  check(::mount(nullptr, path.c_str(), nullptr, flags, nullptr), "mount(\"{}\", MS_REMOUNT | MS_RDONLY)",
        path);
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

// STEP(level05.8): bonus: --volume.
void mount_volume(const unique_fd& root, const workshop::Volume& volume) {
  mount_row(root, {volume.host.c_str(), volume.container.c_str(), nullptr, MS_BIND | MS_REC, nullptr});
  if (!volume.read_only) return;
  const unique_fd top(check(workshop::open_beneath(root.get(), volume.container, O_PATH, RESOLVE_IN_ROOT),
                            "openat2(\"{}\")", volume.container));
  mount_attr attributes{};  // what is mounted below must not stay writable: all at once, flags kept
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  check(::syscall(SYS_mount_setattr, top.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes,
                  sizeof attributes),
        "mount_setattr(\"{}\", AT_RECURSIVE, MOUNT_ATTR_RDONLY)", volume.container);
}
// END(level05.8)

void mount_filesystems(const Container& container) {
  const std::string& path = container.root;
  const unique_fd root(check(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open(\"{}\")", path));
  for (const Mount& row : kMounts) mount_row(root, row);
  // STEP(level05.2): /dev/ptmx, a link.
  // It opens the devpts that it finds beside it at "pts": a bind mount of the host's would find none.
  const unique_fd dev(
      check(workshop::open_beneath(root.get(), "dev", O_PATH, RESOLVE_IN_ROOT), "openat2(\"dev\")"));
  if (::unlinkat(dev.get(), "ptmx", 0) == -1 && errno != ENOENT) check(-1, "unlink(\"dev/ptmx\")");
  if (::symlinkat("pts/ptmx", dev.get(), "ptmx") == -1 && errno != EEXIST) check(-1, "symlink(\"dev/ptmx\")");
  // END(level05.2)
  // STEP(level05.4): the host's name servers, also when they change.
  // mount(2) follows the host's symbolic link.
  if (::access("/etc/resolv.conf", F_OK) == 0) {
    mount_row(root, {"/etc/resolv.conf", "etc/resolv.conf", nullptr, MS_BIND | MS_RDONLY, nullptr});
  }
  // END(level05.4)
  // STEP(level05.8): bonus: what was asked for with --volume.
  for (const workshop::Volume& volume : container.options.volumes) mount_volume(root, volume);
  // END(level05.8)
}

// STEP(level05.9): bonus: pivot_root(2), as in level 02.
void pivot_into(const std::string& root) {
  check(::mount(root.c_str(), root.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "mount(\"{}\", MS_BIND)",
        root);
  check(::chdir(root.c_str()), "chdir(\"{}\")", root);
  check(::syscall(SYS_pivot_root, ".", "."), "pivot_root(\".\", \".\")");
  check(::umount2(".", MNT_DETACH), "umount2(\".\", MNT_DETACH)");
  check(::chdir("/"), "chdir(\"/\")");
}
// END(level05.9)

void enter_root([[maybe_unused]] const Container& container) {
  // STEP(level05.9): bonus: if --pivot-root is given.
  if (container.options.pivot_root) return pivot_into(container.root);
  // END(level05.9)
  // STEP(level05.6): and now inside.
  check(::chroot(container.root.c_str()), "chroot(\"{}\")", container.root);
  check(::chdir("/"), "chdir(\"/\")");
  // END(level05.6)
}

// STEP(level05.7): bonus: --user, as the container's own files know the user.
struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  std::string name, home = "/";
  std::vector<gid_t> groups;
};

struct File {
  std::FILE* stream;  // null where there is no such file
  ~File() {
    if (stream != nullptr) std::fclose(stream);
  }
};

User find_user(const std::string& wanted) {
  const bool is_number = wanted.find_first_not_of("0123456789") == std::string::npos;
  User user;
  bool found = false;
  const File users{std::fopen("/etc/passwd", "re")};
  while (const passwd* entry = users.stream ? ::fgetpwent(users.stream) : nullptr) {
    if (wanted != entry->pw_name && !(is_number && wanted == std::to_string(entry->pw_uid))) continue;
    user = {entry->pw_uid, entry->pw_gid, entry->pw_name, entry->pw_dir, {}};
    found = true;
    break;
  }
  if (!found && !is_number)
    throw std::runtime_error("no user \"" + wanted + "\" in the container's /etc/passwd");
  if (!found) user.uid = static_cast<uid_t>(std::stoul(wanted));
  const File groups{std::fopen("/etc/group", "re")};
  while (const group* entry = groups.stream ? ::fgetgrent(groups.stream) : nullptr) {
    for (char** member = entry->gr_mem; *member != nullptr; ++member) {
      if (user.name == *member) user.groups.push_back(entry->gr_gid);
    }
  }
  return user;
}

void become(const User& user) {
  check(::setgroups(user.groups.size(), user.groups.data()), "setgroups()");
  check(::setgid(user.gid), "setgid({})", user.gid);
  check(::setuid(user.uid), "setuid({})", user.uid);
  check(::setenv("HOME", user.home.c_str(), 1), "setenv(\"HOME\")");
}

void go_home(const User& user, const Container& container) {
  if (container.options.user.empty() || !container.config.working_directory.empty()) return;
  // It need not be there: nobody's is /nonexistent. We stay in "/" then.
  if (::chdir(user.home.c_str()) == -1 && errno != ENOENT) check(-1, "chdir(\"{}\")", user.home);
}
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
      // STEP(level05.7): bonus: nothing of the caller's: neither the environment nor the groups.
      command = workshop::prepare_image_command(command, container.config);
      const User user = find_user(options.user.empty() ? "0" : options.user);
      become(user);
      go_home(user, container);
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
