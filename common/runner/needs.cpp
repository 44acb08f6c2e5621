// What each level needs of a machine, found out by doing it.

#include "common/runner/needs.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <numeric>
#include <sstream>

#include "common/image/default_store.hpp"
#include "common/image/images.hpp"
#include "common/runner/attempt.hpp"
#include "common/runner/command.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/id_maps.hpp"
#include "common/sys/openat2.hpp"
#include "common/sys/tree.hpp"
#include "common/sys/user_namespace.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;
using State = Answer::State;

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kBuildSpace = 600 * kMiB;   // of an unstripped build with all its tests
constexpr std::uint64_t kStoreSpace = 500 * kMiB;   // a Debian image or two, packed and unpacked
constexpr std::uint64_t kBuildMemory = 600 * kMiB;  // the largest compiler process (common/setup/build)
constexpr std::uint64_t kIdsOfAnImage = 65536;      // nobody is 65534
constexpr const char* kVirtualMachine = "vagrant up && vagrant ssh   (README.md: a virtual machine)";
constexpr const char* kPrivileged = "start that container with --privileged (docker run, podman run)";

Answer failed(const std::string& problem, const std::string& mend) {
  return {State::failed, problem, mend};
}

// --- why the kernel may have refused

/// The value of a line "NAME:\tVALUE" of /proc/self/status (proc_pid_status(5)).
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

/// The first cause that is known, and what mends it.
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

/// Tries it in a child process, as `user` if one is given.
Answer tried(const std::function<void()>& function, const std::optional<User>& user = {}) {
  const auto ids = user ? std::optional(std::pair(user->uid, user->gid)) : std::nullopt;
  const auto failure = attempt(function, ids);
  return failure ? explain(*failure) : Answer{};
}

// --- for all levels

Answer kernel(const Machine&) {
  return tried([] {
    const unique_fd root(
        check(open_beneath(AT_FDCWD, "/", O_PATH, RESOLVE_IN_ROOT), "openat2(\"/\", RESOLVE_IN_ROOT)"));
    // It has to know the call; the arguments are of nothing (mount_setattr(2), EINVAL).
    const long result = ::syscall(SYS_mount_setattr, root.get(), "", 0, nullptr, 0);
    if (result == -1 && errno == ENOSYS) check(result, "mount_setattr()");
  });
}

Answer proc(const Machine&) {
  return has_proc() ? Answer{} : explain({ENOENT, ""});
}

Answer static_busybox(const Machine& machine) {
  const fs::path image = machine.build / "bin/image";
  if (!fs::exists(image)) return {State::untried, "build/bin/image is not built", "./workshop"};
  const Answer answer = tried([&] {
    std::string scratch = fs::temp_directory_path() / "workshop-doctor-XXXXXX";
    if (::mkdtemp(scratch.data()) == nullptr) throw_error(errno, fmt::format("mkdtemp(\"{}\")", scratch));
    const Output output =
        capture({{image, "extract", "-q", "--store", scratch + "/store", "busybox", scratch + "/rootfs"},
                 {},
                 {},
                 true});
    remove_tree(scratch);
    if (output.status != 0) throw std::runtime_error(output.text.substr(0, output.text.find('\n')));
  });
  if (answer.state == State::ok) return answer;
  return failed("the built-in image cannot be made: " + answer.problem,
                "sudo apt-get install busybox-static   (Fedora: sudo dnf install busybox)");
}

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (std::uint64_t kilobytes; file >> name >> kilobytes;) {
    std::getline(file, unit);
    if (name == "MemAvailable:") return kilobytes << 10;
  }
  return UINT64_MAX;  // not to be known here
}

Answer memory(const Machine&) {
  const std::uint64_t available = available_memory();
  if (available >= kBuildMemory) return {};
  return failed(fmt::format("{} MiB of memory are free, and the compiler takes {}", available / kMiB,
                            kBuildMemory / kMiB),
                "end what else runs, or give the machine 2 GB");
}

/// The nearest folder on the way up that is there.
fs::path nearest_folder(fs::path path) {
  std::error_code missing;
  while (!fs::is_directory(path, missing) && path.has_relative_path()) path = path.parent_path();
  return path;
}

Answer has_space(const fs::path& path, std::uint64_t wanted, const std::string& mend) {
  const fs::path folder = nearest_folder(path);
  struct statvfs space {};
  check(::statvfs(folder.c_str(), &space), "statvfs(\"{}\")", folder.string());
  const std::uint64_t free = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  if (free >= wanted) return {};
  return failed(
      fmt::format("{} MiB are free in {}, and {} are wanted", free / kMiB, folder.string(), wanted / kMiB),
      mend);
}

Answer build_space(const Machine& machine) {
  return has_space(machine.build, kBuildSpace,
                   "free some space there, or clone the workshop to another disk");
}

// --- the image stores

/// What a root file system is made of, in a scratch folder: links, modes, owners where one may give them.
void hold_a_root_file_system(const fs::path& folder) {
  std::string scratch = folder / ".workshop-doctor-XXXXXX";
  if (::mkdtemp(scratch.data()) == nullptr) throw_error(errno, fmt::format("mkdtemp(\"{}\")", scratch));
  const struct Removal {
    const std::string& path;
    ~Removal() { remove_tree(path); }
  } removal{scratch};
  const std::string file = scratch + "/file";
  check(::symlink("file", (scratch + "/link").c_str()), "symlink()");
  const unique_fd made(check(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), "open()"));
  check(::link(file.c_str(), (scratch + "/second").c_str()), "link()");
  const bool gives_owners = is_root_of_machine();
  if (gives_owners) check(::fchown(made.get(), 1, 42), "chown(1, 42)");
  check(::fchmod(made.get(), 0640), "chmod(0640)");
  struct stat status {};
  check(::fstat(made.get(), &status), "fstat()");
  const bool owned = !gives_owners || (status.st_uid == 1 && status.st_gid == 42);
  if ((status.st_mode & 07777) != 0640 || !owned) throw_error(EOPNOTSUPP, "it keeps no owners and modes");
}

Answer store(const std::string& path, const std::optional<User>& user) {
  const std::string elsewhere =
      "export WORKSHOP_STORE=/var/tmp/workshop   (any folder on a disk of Linux's own)";
  const fs::path folder = nearest_folder(path);
  struct statvfs flags {};
  check(::statvfs(folder.c_str(), &flags), "statvfs(\"{}\")", folder.string());
  if ((flags.f_flag & ST_NOEXEC) != 0) {
    return failed(fmt::format("nothing may be executed in {} (mounted noexec)", folder.string()), elsewhere);
  }
  const auto ids = user ? std::optional(std::pair(user->uid, user->gid)) : std::nullopt;
  if (const auto failure = attempt([&] { hold_a_root_file_system(folder); }, ids)) {
    return failed(fmt::format("{} cannot hold a root file system: {}", folder.string(), failure->what),
                  elsewhere);
  }
  return has_space(path, kStoreSpace, elsewhere);
}

Answer root_store(const Machine& machine) {
  if (!machine.is_root) return {State::untried, "needs root to be tried", "sudo ./workshop doctor"};
  return store(machine.root_store, {});
}

Answer user_store(const Machine& machine) {
  if (!machine.user) return {State::untried, "there is no ordinary user here", "./workshop setup"};
  return store(machine.user_store, machine.user);
}

// --- levels 1 and 2, as root

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

Answer tried_as_root(const Machine& machine, const std::function<void()>& function) {
  if (::geteuid() != 0) return {State::untried, "needs root to be tried", "sudo ./workshop doctor"};
  const auto failure = attempt(function);
  if (!failure) return {};
  const bool refused = failure->error == EPERM || failure->error == EACCES;
  // What limits user namespaces does not limit root of the machine.
  if (!machine.is_root || !has_proc() || !refused) return explain(*failure);
  return failed(failure->what + ": root has not all its capabilities here, as in a container", kPrivileged);
}

void make_mounts_private() {
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_REC | MS_PRIVATE)");
}

/// On /tmp, which every machine has, and for the child alone.
void mount_scratch() {
  make_mounts_private();
  check(::mount("tmpfs", "/tmp", "tmpfs", 0, nullptr), "mount(\"tmpfs\", \"/tmp\")");
}

/// Runs `function` as the first process of the PID namespace that unshare(2) has prepared.
void as_first_process(const std::function<void()>& function) {
  if (const auto failure = attempt(function)) throw_error(failure->error, failure->what);
}

void mount_proc() {
  check(::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr),
        "mount(\"proc\", \"/proc\")");
}

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

// --- levels 3 to 5, as an ordinary user

Answer tried_as_user(const Machine& machine, const std::function<void()>& function) {
  if (!machine.user) return {State::untried, "there is no ordinary user to try it as", "./workshop setup"};
  return tried(function, machine.user);
}

void write_file(const char* path, const std::string& text) {
  const unique_fd file(check(::open(path, O_WRONLY | O_CLOEXEC), "open(\"{}\")", path));
  check(::write(file.get(), text.data(), text.size()), "write(\"{}\")", path);
}

/// As level 3 does it: root inside is ourselves outside.
void become_root_of_namespaces(int more) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  check(::unshare(CLONE_NEWUSER | more), "unshare(CLONE_NEWUSER)");
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", fmt::format("0 {} 1", uid));
  write_file("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

Answer user_namespace(const Machine& machine) {
  return tried_as_user(machine, [] { check(::unshare(CLONE_NEWUSER), "unshare(CLONE_NEWUSER)"); });
}

Answer own_id_map(const Machine& machine) {
  return tried_as_user(machine, [] { become_root_of_namespaces(0); });
}

Answer user_mounts(const Machine& machine) {
  return tried_as_user(machine, [] {
    become_root_of_namespaces(CLONE_NEWNS);
    mount_scratch();
  });
}

/// Where something is mounted over a part of /proc, as container engines do it, a new one would show what
/// that hides (mount_namespaces(7)).
Answer user_proc(const Machine& machine) {
  const Answer answer = tried_as_user(machine, [] {
    become_root_of_namespaces(CLONE_NEWNS | CLONE_NEWPID);
    make_mounts_private();
    as_first_process(mount_proc);
  });
  const bool alone = answer.state == State::failed && user_mounts(machine).state == State::ok && has_proc();
  if (!alone) return answer;
  return failed(answer.problem + ": parts of /proc are covered here, as in a container", kPrivileged);
}

Answer subordinate_ids(const Machine& machine) {
  if (!machine.user) return {State::untried, "there is no ordinary user here", "./workshop setup"};
  const char* grant = "./workshop setup";  // which finds ids that nobody else has
  try {
    const IdMaps maps = make_id_maps(machine.user->uid, machine.user->gid, 0, 0);
    for (const auto& map : {maps.uid, maps.gid}) {
      const std::uint64_t ids = std::accumulate(map.begin(), map.end(), std::uint64_t{0},
                                                [](auto sum, const IdMap& row) { return sum + row.count; });
      if (ids >= kIdsOfAnImage) continue;
      return failed(fmt::format("{} has {} ids, and images use {}", machine.user->name, ids, kIdsOfAnImage),
                    grant);
    }
    return {};
  } catch (const std::exception& error) {
    const std::string what = error.what();
    return failed(what.substr(0, what.find("; this grants some")), grant);
  }
}

/// Has a child with a user namespace of its own wait, and maps it.
void map_a_child(const User& user) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  unique_fd child_end(ends[0]), parent_end(ends[1]);
  const pid_t child = check(static_cast<pid_t>(::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0)),
                            "clone(CLONE_NEWUSER)");
  if (child == 0) {
    parent_end.reset();
    char byte;
    ::_exit(::read(child_end.get(), &byte, 1) == 0 ? 0 : 1);  // ends when the parent does
  }
  write_id_maps(child, make_id_maps(user.uid, user.gid, 0, 0));
}

Answer mappers(const Machine& machine) {
  const char* install = "sudo apt-get install --reinstall uidmap   (Fedora: sudo dnf reinstall shadow-utils)";
  for (const char* program : {"newuidmap", "newgidmap"}) {
    if (!has_program(program)) return failed(fmt::format("{} is not installed", program), install);
  }
  if (!machine.user) return {State::untried, "there is no ordinary user to try it as", "./workshop setup"};
  if (user_namespace(machine).state != State::ok)
    return {State::untried, "there are no user namespaces", "see above"};
  if (subordinate_ids(machine).state != State::ok)
    return {State::untried, "there are no ids to map", "see below"};
  const Answer answer = tried_as_user(machine, [&] { map_a_child(*machine.user); });
  if (answer.state != State::failed) return answer;
  if (own_status("NoNewPrivs") == "1") {
    return failed("no program may gain privileges here (PR_SET_NO_NEW_PRIVS(2const)), and newuidmap must",
                  kPrivileged);
  }
  return answer.mend == kVirtualMachine
             ? failed(answer.problem.substr(0, answer.problem.find("; this mends")), install)
             : answer;
}

}  // namespace

Machine this_machine(const fs::path& build) {
  Machine machine{is_root_of_machine(), ordinary_user(), "/var/lib/workshop", default_store(), build};
  const char* asked = std::getenv("WORKSHOP_STORE");
  if (asked != nullptr && *asked != '\0') {
    machine.root_store = machine.user_store = asked;
  } else if (machine.is_root && machine.user) {
    machine.user_store = machine.user->home + "/.local/share/workshop";
  }
  return machine;
}

const std::vector<Need>& needs() {
  static const std::vector<Need> kNeeds = {
      {"Linux 5.12 or newer", 1, 5, kernel},
      {"/proc", 1, 5, proc},
      {"memory for the compiler", 1, 5, memory},
      {"disk for the build", 1, 5, build_space},
      {"a static busybox", 1, 5, static_busybox},
      {"root, or sudo", 1, 2, root_access},
      {"mounts and chroot, as root", 1, 2, root_mounts},
      {"device nodes, as root", 1, 2, root_devices},
      {"a PID namespace with its /proc, as root", 2, 2, root_proc},
      {"a place for root's images", 1, 2, root_store},
      {"user namespaces", 3, 5, user_namespace},
      {"an id of one's own in them", 3, 5, own_id_map},
      {"mounts in them", 3, 5, user_mounts},
      {"a fresh /proc in them", 3, 5, user_proc},
      {"newuidmap and newgidmap", 4, 5, mappers},
      {"subordinate ids", 4, 5, subordinate_ids},
      {"a place for one's own images", 3, 5, user_store},
  };
  return kNeeds;
}

}  // namespace workshop
