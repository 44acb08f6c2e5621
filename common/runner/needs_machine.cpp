// What every level needs of a machine, and a place for images.

#include "common/runner/need_functions.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "common/runner/command.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
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

}  // namespace

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

namespace {

std::uint64_t available_memory() {
  std::ifstream file("/proc/meminfo");
  std::string name, unit;
  for (std::uint64_t kilobytes; file >> name >> kilobytes;) {
    std::getline(file, unit);
    if (name == "MemAvailable:") return kilobytes << 10;
  }
  return UINT64_MAX;  // not to be known here
}

/// The number in a file; UINT64_MAX where there is none: no file, or the word "max".
std::uint64_t number_in(const std::string& path) {
  std::uint64_t number = UINT64_MAX;
  std::ifstream file(path);
  return file >> number ? number : UINT64_MAX;
}

/// The limit of our control group (cgroups(7)). A container sees its own group as the root of the hierarchy,
/// or has a path that leads nowhere.
std::uint64_t memory_limit() {
  std::uint64_t limit = UINT64_MAX;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // ID:CONTROLLERS:PATH
    const std::string path = line.substr(line.rfind(':') + 1);
    for (const std::string& group : {path, std::string("/")}) {
      limit = std::min({limit, number_in("/sys/fs/cgroup" + group + "/memory.max"),
                        number_in("/sys/fs/cgroup/memory" + group + "/memory.limit_in_bytes")});
    }
  }
  return limit;
}

}  // namespace

Answer memory(const Machine&) {
  const std::uint64_t limit = memory_limit(), available = available_memory();
  if (limit < kBuildMemory) {
    return failed(
        fmt::format("{} MiB of memory are all that this control group may use, and the compiler takes {}",
                    limit / kMiB, kBuildMemory / kMiB),
        "give the container 2 GB: --memory 2g (docker run, podman run)");
  }
  if (available >= kBuildMemory) return {};
  return failed(fmt::format("{} MiB of memory are free, and the compiler takes {}", available / kMiB,
                            kBuildMemory / kMiB),
                "end what else runs, or give the machine 2 GB");
}

namespace {

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

}  // namespace

Answer build_space(const Machine& machine) {
  return has_space(machine.build, kBuildSpace,
                   "free some space there, or clone the workshop to another disk");
}

namespace {

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

}  // namespace

Answer root_store(const Machine& machine) {
  if (!machine.is_root) return {State::untried, "needs root to be tried", "sudo ./workshop doctor"};
  return store(machine.root_store, {});
}

Answer user_store(const Machine& machine) {
  if (!machine.user) return {State::untried, "there is no ordinary user here", "./workshop setup"};
  return store(machine.user_store, machine.user);
}

}  // namespace workshop
