// Level 04: id maps and a root file system. A container with 65,537 ids, one of them the caller's.

#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "common/cli/options.hpp"
#include "common/image/command.hpp"
#include "common/image/images.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/process.hpp"

namespace {

using workshop::check;
using workshop::ImageConfig;
using workshop::Options;
using workshop::unique_fd;

/// Ids that /etc/subuid or /etc/subgid grants: a line of theirs.
struct IdRange {
  std::uint32_t first, count;
};

/// A line of /proc/PID/uid_map or gid_map.
struct IdMap {
  std::uint32_t inside, outside, count;
};

struct IdMaps {
  std::vector<IdMap> uid, gid;
};

/// What the container does not share with the host (namespaces(7)).
constexpr int kNamespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID;

constexpr std::size_t kMaxMapLines = 340;  // user_namespaces(7)

/// What the child needs to know. It gets a copy: clone(2) without CLONE_VM copies the memory.
struct Container {
  const Options& options;
  const workshop::Supervisor& supervisor;
  std::string root;  // empty: the host's own
  ImageConfig config;
  uid_t uid;  // who the caller is, outside
  gid_t gid;
  unique_fd child_end;   // of a pipe: the child reads here
  unique_fd parent_end;  // and the parent writes here
};

// STEP(level04.1): the ids that the caller may map besides the own one.
/// A line of subuid(5) or subgid(5), NAME-OR-UID:FIRST:COUNT. False if it is none.
bool parse_line(const std::string& line, std::string& owner, IdRange& range) {
  char name[256];
  unsigned long long first = 0, count = 0;
  int end = 0;
  const int fields = std::sscanf(line.c_str(), "%255[^:]:%10llu:%10llu%n", name, &first, &count, &end);
  if (fields != 3 || static_cast<std::size_t>(end) != line.size()) return false;
  // The last id, 4294967295, is (uid_t)-1: none at all.
  if (count == 0 || count > UINT32_MAX || first > UINT32_MAX - count) return false;
  owner = name;
  range = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)};
  return true;
}

/// All ranges of the user. Both files name the user: so does /etc/subgid, whose ranges are of group ids
/// (subgid(5)).
std::vector<IdRange> read_subordinate_ids(const std::string& path, uid_t uid) {
  const passwd* entry = ::getpwuid(uid);
  const std::string number = std::to_string(uid);
  const std::string name = entry != nullptr ? entry->pw_name : number;
  std::ifstream file(path);
  if (!file) workshop::throw_error(errno, fmt::format("open(\"{}\")", path));
  std::vector<IdRange> ranges;
  std::string line, owner;
  for (int lines = 1; std::getline(file, line); ++lines) {
    if (line.find_first_not_of(" \t") == std::string::npos || line[0] == '#') continue;
    IdRange range{};
    if (!parse_line(line, owner, range)) {
      throw std::runtime_error(fmt::format("{}:{}: \"{}\" is not NAME:FIRST:COUNT", path, lines, line));
    }
    if (owner == name || owner == number) ranges.push_back(range);
  }
  if (!ranges.empty()) return ranges;
  throw std::runtime_error(
      fmt::format("no ids for user {0} in {1}; this grants some: sudo usermod --add-subuids "
                  "100000-165535 --add-subgids 100000-165535 {0}",
                  name, path));
}
// END(level04.1)

// STEP(level04.2): a map of all these ids.
/// The ranges without the id `own`: no id outside may be mapped twice.
std::vector<IdRange> without(const std::vector<IdRange>& ranges, std::uint32_t own) {
  std::vector<IdRange> result;
  for (const IdRange& range : ranges) {
    if (own < range.first || own - range.first >= range.count) {
      result.push_back(range);
      continue;
    }
    const std::uint32_t before = own - range.first;
    if (before > 0) result.push_back({range.first, before});
    if (range.count - before > 1) result.push_back({own + 1, range.count - before - 1});
  }
  return result;
}

/// The subordinate ids one after the other from 0 on, and among them, at `inside`, the caller's `own` id.
std::vector<IdMap> make_id_maps(const std::vector<IdRange>& ranges, std::uint32_t own, std::uint32_t inside) {
  std::vector<IdMap> maps;
  std::uint64_t next = 0;  // the id inside that comes next
  const auto add = [&](std::uint32_t outside, std::uint32_t count) {
    if (count == 0) return;
    if (next + count > UINT32_MAX) throw std::runtime_error("more subordinate ids than there are ids");
    maps.push_back({static_cast<std::uint32_t>(next), outside, count});
    next += count;
  };
  for (const IdRange& range : without(ranges, own)) {
    const bool here = next <= inside && inside - next < range.count;  // the own id splits this range
    const std::uint32_t before = here ? static_cast<std::uint32_t>(inside - next) : 0;
    add(range.first, before);
    if (here) add(own, 1);
    add(range.first + before, range.count - before);
  }
  if (next <= inside) maps.push_back({inside, own, 1});
  if (maps.size() > kMaxMapLines) {
    throw std::runtime_error(fmt::format("{} lines of id maps; the kernel takes {} (user_namespaces(7))",
                                         maps.size(), kMaxMapLines));
  }
  return maps;
}
// END(level04.2)

// STEP(level04.4): have newuidmap and newgidmap write the maps: they are privileged, we are not.
/// Starts PROGRAM PID INSIDE OUTSIDE COUNT ... (newuidmap(1)).
pid_t start_mapper(const std::string& program, pid_t pid, const std::vector<IdMap>& maps) {
  std::vector<std::string> words = {program, std::to_string(pid)};
  for (const IdMap& map : maps) {
    for (const std::uint32_t number : {map.inside, map.outside, map.count})
      words.push_back(std::to_string(number));
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t mapper = -1;
  // posix_spawnp(3) returns the error number: nothing for check().
  const int error = ::posix_spawnp(&mapper, argv[0], nullptr, nullptr, argv.data(), environ);
  if (error != 0) workshop::throw_error(error, program + " (it comes with the package uidmap)");
  return mapper;
}

/// Waits for both before it says which one failed: nothing may be left running.
void finish_mappers(pid_t uid_mapper, pid_t gid_mapper) {
  int uid_status = 0, gid_status = 0;
  check(::waitpid(uid_mapper, &uid_status, 0), "waitpid({})", uid_mapper);
  check(::waitpid(gid_mapper, &gid_status, 0), "waitpid({})", gid_mapper);
  if (uid_status == 0 && gid_status == 0) return;
  throw std::runtime_error(
      fmt::format("{} failed with status {}: it must be setuid root, and maps only what /etc/subuid and "
                  "/etc/subgid grant; this "
                  "mends the first: sudo apt-get install --reinstall uidmap",
                  uid_status != 0 ? "newuidmap" : "newgidmap",
                  workshop::exit_status(uid_status != 0 ? uid_status : gid_status)));
}
// END(level04.4)

IdMaps make_maps(const Options& options, uid_t uid, gid_t gid) {
  return {make_id_maps(read_subordinate_ids("/etc/subuid", uid), uid, options.map_uid),
          make_id_maps(read_subordinate_ids("/etc/subgid", uid), gid, options.map_gid)};
}

/// In the parent: gives the container whose first process is `pid` its ids.
void map_ids(const Container& container, [[maybe_unused]] pid_t pid) {
  const IdMaps maps = make_maps(container.options, container.uid, container.gid);
  // STEP(level04.4): both at once: each takes as long as the rest of the start.
  const pid_t uid_mapper = start_mapper("newuidmap", pid, maps.uid);
  const pid_t gid_mapper = start_mapper("newgidmap", pid, maps.gid);
  finish_mappers(uid_mapper, gid_mapper);
  // END(level04.4)
}

// Parent                                     Child
// clone()                                    starts, no id mapped
// reads /etc/subuid and /etc/subgid          waits: reads from the pipe
// newuidmap, newgidmap                       if the parent dies, the read ends without a byte
// writes a byte into the pipe                setgid(0), setuid(0), mounts, execvp()
// passes on signals, waits for the end       is the command

void wait_for_parent([[maybe_unused]] Container& container) {
  // STEP(level04.3): wait until the parent has written the maps.
  container.parent_end.reset();  // our copy of it: a pipe ends when the last one is closed
  char byte = 0;
  if (check(::read(container.child_end.get(), &byte, 1), "read()") == 0) ::_exit(workshop::kFailed);
  // END(level04.3)
}

void mount_proc() {
  // STEP(level04.5): be root, and see our own processes.
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RELATIME;
  check(::mount("proc", "/proc", "proc", flags, nullptr), "mount(\"proc\", \"/proc\")");
  // END(level04.5)
}

/// The first process of the container: its set-up, line by line, and then the command.
int child(void* argument) {
  auto& container = *static_cast<Container*>(argument);
  workshop::run_child([&] {
    container.supervisor.in_child();
    wait_for_parent(container);
    // STEP(level04.5): be root inside.
    // The group first, as everywhere: who has given up the privileged user cannot change groups any more.
    check(::setgid(0), "setgid(0)");
    check(::setuid(0), "setuid(0)");
    // END(level04.5)
    check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_REC | MS_PRIVATE)");
    const std::string& name = container.options.hostname;
    if (!name.empty()) check(::sethostname(name.data(), name.size()), "sethostname(\"{}\")", name);
    std::vector<std::string> command = container.options.command;
    if (container.root.empty()) {
      mount_proc();
    } else {
      workshop::enter_root(container.root, container.options.pivot_root);
      command = workshop::prepare_image_command(command, container.config);
    }
    container.supervisor.in_child();  // again: when ids change, the kernel forgets whom we are to die with
    workshop::execute(command);
  });
}

int run(const Options& options) {
  std::string root;
  ImageConfig config;
  if (!options.image.empty()) {
    root = workshop::image_root(options.image, options.store);
    config = workshop::image_config(options.image, options.store);
  }
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  workshop::Supervisor supervisor;
  Container container{
      options, supervisor, root, config, ::geteuid(), ::getegid(), unique_fd(ends[0]), unique_fd(ends[1])};
  alignas(16) static char stack[1 << 20];
  const pid_t pid = check(::clone(child, std::end(stack), kNamespaces | SIGCHLD, &container), "clone()");
  try {
    map_ids(container, pid);
    // STEP(level04.3): the maps are written: a byte says so.
    check(::write(container.parent_end.get(), "", 1), "write()");
    // END(level04.3)
  } catch (...) {
    supervisor.kill(pid);
    throw;
  }
  return supervisor.wait(pid, container.child_end);
}

int pull(const Options& options) {
  workshop::pull(options.image, options.store);
  return 0;
}

/// Prints what newuidmap and newgidmap would be asked for.
int show_maps(const Options& options) {
  const IdMaps maps = make_maps(options, ::geteuid(), ::getegid());
  for (const IdMap& map : maps.uid) fmt::print("uid {} {} {}\n", map.inside, map.outside, map.count);
  for (const IdMap& map : maps.gid) fmt::print("gid {} {} {}\n", map.inside, map.outside, map.count);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = workshop::parse_options(4, argc, argv);
    if (options.action == Options::Action::pull) return pull(options);
    if (options.action == Options::Action::maps) return show_maps(options);
    return run(options);
  } catch (...) {
    return workshop::report_exception();
  }
}
