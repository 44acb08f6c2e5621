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

// TODO(level04.1): the ids that the caller may map besides the own one.
//   subuid(5) has the format: NAME-OR-UID:FIRST:COUNT. A user may have several lines; there are comments and
//   blank lines; for a line that makes no sense, throw an error that names the file and the line, and another
//   one when the user has no line at all. Until it is written there are no ranges.
std::vector<IdRange> read_subordinate_ids(const std::string&, uid_t) {
  return {};
}
// END(level04.1)

// TODO(level04.2): a map of all these ids.
//   A pure function, and a puzzle: lay the ranges one after the other from 0 on, and put the caller's own id
//   at `inside`. Where it falls within a range, that range is split in two. `level04 maps` prints what you
//   make of it.
std::vector<IdMap> make_id_maps(const std::vector<IdRange>&, std::uint32_t, std::uint32_t) {
  return {};
}
// END(level04.2)

// TODO(level04.4): have newuidmap and newgidmap write the maps: they are privileged, we are not.
//   A function that starts PROGRAM PID INSIDE OUTSIDE COUNT ..., see newuidmap(1), with posix_spawnp(3) or
//   fork(2) and execvp(3); and one that waits for it and throws if it failed.
// END(level04.4)

IdMaps make_maps(const Options& options, uid_t uid, gid_t gid) {
  return {make_id_maps(read_subordinate_ids("/etc/subuid", uid), uid, options.map_uid),
          make_id_maps(read_subordinate_ids("/etc/subgid", uid), gid, options.map_gid)};
}

/// In the parent: gives the container whose first process is `pid` its ids.
void map_ids(const Container& container, [[maybe_unused]] pid_t pid) {
  const IdMaps maps = make_maps(container.options, container.uid, container.gid);
  // TODO(level04.4): both at once: each takes as long as the rest of the start.
  //   newuidmap with maps.uid, newgidmap with maps.gid.
  // END(level04.4)
}

// Parent                                     Child
// clone()                                    starts, no id mapped
// reads /etc/subuid and /etc/subgid          waits: reads from the pipe
// newuidmap, newgidmap                       if the parent dies, the read ends without a byte
// writes a byte into the pipe                setgid(0), setuid(0), mounts, execvp()
// passes on signals, waits for the end       is the command

void wait_for_parent([[maybe_unused]] Container& container) {
  // TODO(level04.3): wait until the parent has written the maps.
  //   A read(2) from the pipe waits until there is a byte. When is the end of file reached instead? Only when
  //   every descriptor of the other end is closed: this process has one too.
  // END(level04.3)
}

void mount_proc() {
  // TODO(level04.5): be root, and see our own processes.
  //   mount(2), with MS_NOSUID, MS_NODEV, MS_NOEXEC and MS_RELATIME.
  // END(level04.5)
}

/// The first process of the container: its set-up, line by line, and then the command.
int child(void* argument) {
  auto& container = *static_cast<Container*>(argument);
  workshop::run_child([&] {
    container.supervisor.in_child();
    wait_for_parent(container);
    // TODO(level04.5): be root inside.
    //   The parent maps our ids in step 4; until then, level 03's way. Then: setgid(2), setuid(2). Which one
    //   first?
    if (::geteuid() == 65534) {
      std::ofstream("/proc/self/setgroups") << "deny";
      std::ofstream("/proc/self/uid_map") << fmt::format("0 {} 1", container.uid);
      std::ofstream("/proc/self/gid_map") << fmt::format("0 {} 1", container.gid);
    }
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
    // TODO(level04.3): the maps are written: a byte says so.
    //   write(2) one byte into container.parent_end.
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
