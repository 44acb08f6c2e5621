// Level 03: user namespace. A container that needs no root.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
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

/// What the child needs to know. It gets a copy: clone(2) without CLONE_VM copies the memory, as fork(2)
/// does.
struct Container {
  const Options& options;
  const workshop::Supervisor& supervisor;
  std::string root;  // empty: the host's own
  ImageConfig config;
  uid_t uid;  // who the caller is, outside
  gid_t gid;
};

/// What the container does not share with the host (namespaces(7)).
int namespaces() {
  int flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWPID;
  // STEP(level03.1): a user namespace of its own.
  // The kernel makes it before the others, and they belong to it: its first process has all capabilities in
  // them.
  flags |= CLONE_NEWUSER;
  // END(level03.1)
  return flags;
}

/// Writes a file of /proc in one write(2): the kernel takes each write to a map as the whole map.
[[maybe_unused]] void write_file(const std::string& path, const std::string& text) {
  const unique_fd file(check(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open(\"{}\")", path));
  check(::write(file.get(), text.data(), text.size()), "write(\"{}\", \"{}\")", path, text);
}

void deny_setgroups() {
  // STEP(level03.2): give up setgroups(2).
  // Who could drop a group could get at a file that is closed to that group only (user_namespaces(7)).
  write_file("/proc/self/setgroups", "deny");
  // END(level03.2)
}

void map_ids([[maybe_unused]] const Container& container) {
  // STEP(level03.3): be root inside: id 0 is the caller's id outside, and one id is all there is.
  write_file("/proc/self/uid_map", fmt::format("0 {} 1", container.uid));
  write_file("/proc/self/gid_map", fmt::format("0 {} 1", container.gid));
  // END(level03.3)
}

void set_hostname([[maybe_unused]] const std::string& name) {
  // STEP(level03.4): a name for the container; the host's is in another UTS namespace, and stays.
  if (!name.empty()) check(::sethostname(name.data(), name.size()), "sethostname(\"{}\")", name);
  // END(level03.4)
}

void keep_mounts_to_ourselves() {
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_REC | MS_PRIVATE)");
}

/// The first process of the container: its set-up, line by line, and then the command.
int child(void* argument) {
  const auto& container = *static_cast<const Container*>(argument);
  workshop::run_child([&] {
    container.supervisor.in_child();
    deny_setgroups();
    map_ids(container);
    keep_mounts_to_ourselves();
    set_hostname(container.options.hostname);
    std::vector<std::string> command = container.options.command;
    if (!container.root.empty()) {
      // Level 02's tables are gone: root of a user namespace makes neither device nodes nor a sysfs. Level 05
      // does it all by other means; until then an image gets its /proc.
      workshop::enter_root(container.root, container.options.pivot_root);
      command = workshop::prepare_image_command(command, container.config);
    }
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
  workshop::Supervisor supervisor;
  // Inside, getuid(2) says 65534 until the map is written: ask here.
  Container container{options, supervisor, root, config, ::geteuid(), ::getegid()};
  alignas(16) static char stack[1 << 20];
  const pid_t pid = check(::clone(child, std::end(stack), namespaces() | SIGCHLD, &container), "clone()");
  return supervisor.wait(pid);
}

int pull(const Options& options) {
  workshop::pull(options.image, options.store);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = workshop::parse_options(3, argc, argv);
    return options.action == Options::Action::pull ? pull(options) : run(options);
  } catch (...) {
    return workshop::report_exception();
  }
}
