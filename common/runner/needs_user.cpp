// What levels 3 to 5 need, as an ordinary user.

#include "common/runner/need_functions.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <csignal>
#include <numeric>

#include "common/runner/command.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/id_maps.hpp"

namespace workshop {
namespace {

using State = Answer::State;

constexpr std::uint64_t kIdsOfAnImage = 65536;  // nobody is 65534

}  // namespace

namespace {

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

}  // namespace

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

namespace {

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

/// Whether the file would give privileges (setuid, or capabilities(7)), and its mount keeps it from that
/// (mount(8), nosuid).
bool is_held_back(const std::string& path) {
  struct stat file {};
  struct statvfs mount {};
  if (::stat(path.c_str(), &file) == -1 || ::statvfs(path.c_str(), &mount) == -1) return false;
  const bool is_privileged =
      (file.st_mode & S_ISUID) != 0 || ::getxattr(path.c_str(), "security.capability", nullptr, 0) > 0;
  return is_privileged && (mount.f_flag & ST_NOSUID) != 0;
}

}  // namespace

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
  for (const char* program : {"newuidmap", "newgidmap"}) {
    const std::string path = find_program(program);
    if (!is_held_back(path)) continue;
    return failed(path + " is on a file system mounted nosuid, and gains no privileges",
                  fmt::format("sudo mount -o remount,suid \"$(findmnt -n -o TARGET -T {})\"", path));
  }
  return answer.mend == kVirtualMachine
             ? failed(answer.problem.substr(0, answer.problem.find("; this mends")), install)
             : answer;
}

}  // namespace workshop
