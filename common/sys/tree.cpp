#include "common/sys/tree.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <memory>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/mounts.hpp"
#include "common/sys/openat2.hpp"

namespace workshop {
namespace {

/// Where a descriptor leads, for messages and to find mounts; "" for the root and if the kernel cannot say.
std::string path_of(int fd) {
  char path[PATH_MAX];
  const auto length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return length > 1 ? std::string(path, static_cast<std::size_t>(length)) : "";
}

[[noreturn]] void refuse_mount(const std::string& path) {
  throw std::runtime_error(
      fmt::format("\"{0}\" is a mount point and is not removed: umount \"{0}\" first", path));
}

/// The first look, before anything is removed. What is mounted later the kernel finds (RESOLVE_NO_XDEV).
void refuse_mounts_below(const std::string& path) {
  for (const auto& mount : read_mounts()) {
    if (mount.point.starts_with(path + "/")) refuse_mount(mount.point);
  }
}

int open_child(int parent, const std::string& name, int flags) {
  return open_beneath(parent, name, flags | O_DIRECTORY | O_NOFOLLOW,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

/// Gives us all permissions on a directory of ours. By its descriptor: by its name it may be another one by
/// now.
void open_up(int parent, const std::string& name) {
  const unique_fd directory(open_child(parent, name, O_PATH));
  if (directory) ::chmod(("/proc/self/fd/" + std::to_string(directory.get())).c_str(), S_IRWXU);
}

/// Opens a directory to be emptied.
unique_fd open_directory(int parent, const std::string& name) {
  unique_fd directory(open_child(parent, name, O_RDONLY));
  if (!directory && errno == EACCES) {
    open_up(parent, name);
    directory.reset(open_child(parent, name, O_RDONLY));
  }
  if (!directory && errno == EXDEV) refuse_mount(path_of(parent) + "/" + name);
  if (!directory) throw_error(errno, fmt::format("openat2(\"{}/{}\")", path_of(parent), name));
  struct stat status {};
  check(::fstat(directory.get(), &status), "fstat(\"{}\")", name);
  if ((status.st_mode & S_IRWXU) != S_IRWXU && ::geteuid() != 0) ::fchmod(directory.get(), S_IRWXU);
  return directory;
}

bool is_directory(int parent, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN) return entry.d_type == DT_DIR;
  struct stat status {};
  return ::fstatat(parent, entry.d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode);
}

/// Removes an entry that is not there, or not a directory, and returns true; for a directory returns false.
bool remove_file(int parent, const std::string& name) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return true;
  if (errno == EISDIR) return false;
  if (errno == EBUSY) refuse_mount(path_of(parent) + "/" + name);
  throw_error(errno, fmt::format("unlinkat(\"{}/{}\")", path_of(parent), name));
}

/// Removes a directory that should be empty by now; with `keep` it may well not be.
void remove_directory(int parent, const std::string& name, bool may_have_entries) {
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return;
  if (errno == ENOTEMPTY && may_have_entries) return;
  throw_error(errno, fmt::format("rmdir(\"{}/{}\")", path_of(parent), name));
}

/// Walks a tree with one open descriptor, for the directory it is in: no tree is too deep.
class Clearing {
 public:
  Clearing(unique_fd directory, const Keep& keep) : keep_(keep) { enter(std::move(directory), ""); }

  void run() {
    while (!levels_.empty()) {
      auto& to_visit = levels_.back().directories;
      if (to_visit.empty()) {
        leave();
        continue;
      }
      const std::string name = std::move(to_visit.back());
      to_visit.pop_back();
      enter(open_directory(current_.get(), name), name);
    }
  }

 private:
  struct Level {
    std::string name;
    struct stat status;
    std::vector<std::string> directories;  // still to be visited
  };

  bool keeps(const std::string& name) const { return keep_ && keep_(levels_.back().status.st_ino, name); }

  /// Removes all files of a directory and notes its directories.
  void enter(unique_fd directory, const std::string& name) {
    current_ = std::move(directory);
    levels_.push_back({name, {}, {}});
    check(::fstat(current_.get(), &levels_.back().status), "fstat(\"{}\")", name);
    const int copy =
        check(::openat(current_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "openat(\"{}/.\")", name);
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
    if (!stream) throw std::bad_alloc();  // the only way it can fail
    for (errno = 0; const dirent* entry = ::readdir(stream.get()); errno = 0) {
      const std::string child = entry->d_name;
      if (child == "." || child == "..") continue;
      if (is_directory(current_.get(), *entry)) {
        levels_.back().directories.push_back(child);
      } else if (!keeps(child) && !remove_file(current_.get(), child)) {
        levels_.back().directories.push_back(child);  // it has become one
      }
    }
    if (errno != 0) throw_error(errno, fmt::format("readdir(\"{}\")", path_of(current_.get())));
  }

  /// Goes up from a directory that is done, and removes it.
  void leave() {
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    if (keep_) {
      const timespec times[] = {level.status.st_atim, level.status.st_mtim};
      check(::futimens(current_.get(), times), "futimens(\"{}\")", level.name);
    }
    if (levels_.empty()) return;
    current_ = open_parent(levels_.back().status);
    if (!keeps(level.name)) remove_directory(current_.get(), level.name, static_cast<bool>(keep_));
  }

  /// The directory above, provided that nobody has moved us to another one meanwhile.
  unique_fd open_parent(const struct stat& expected) const {
    unique_fd parent(
        check(::openat(current_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "openat(\"..\")"));
    struct stat status {};
    check(::fstat(parent.get(), &status), "fstat(\"..\")");
    if (status.st_dev != expected.st_dev || status.st_ino != expected.st_ino) {
      throw std::runtime_error(
          fmt::format("\"{}\" was moved while it was being removed", path_of(current_.get())));
    }
    return parent;
  }

  const Keep& keep_;
  unique_fd current_;
  std::vector<Level> levels_;
};

}  // namespace

void remove_tree(int parent, const std::string& name, const Keep& keep) {
  struct stat above {};
  check(::fstat(parent, &above), "fstat(\"{}\")", path_of(parent));
  const bool kept = keep && keep(above.st_ino, name);
  struct stat status {};
  if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT) return;
  if (!S_ISDIR(status.st_mode) && (kept || remove_file(parent, name))) return;

  unique_fd directory = open_directory(parent, name);
  refuse_mounts_below(path_of(directory.get()));
  Clearing(std::move(directory), keep).run();
  if (!kept) remove_directory(parent, name, static_cast<bool>(keep));
}

void remove_tree(const std::string& path) {
  const auto end = path.find_last_not_of('/');
  const auto slash = path.substr(0, end + 1).rfind('/');
  const std::string name = path.substr(slash + 1, end - slash);  // npos + 1 is 0
  const std::string above = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (end == std::string::npos || name == "." || name == "..") {
    throw std::runtime_error(fmt::format("\"{}\" is not removed: name the directory itself", path));
  }
  const unique_fd parent(::open(above.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!parent && errno == ENOENT) return;
  check(parent.get(), "open(\"{}\")", above);
  remove_tree(parent.get(), name);
}

void clear_tree(int directory, const Keep& keep) {
  refuse_mounts_below(path_of(directory));
  Clearing(unique_fd(check(::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "openat(\".\")")),
           keep)
      .run();
}

}  // namespace workshop
