#include "common/image/destination.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <filesystem>

#include "common/sys/error.hpp"
#include "common/sys/openat2.hpp"
#include "common/sys/tree.hpp"

namespace workshop {
namespace {

constexpr std::size_t kMostOpen = 128;  // of the 1,024 descriptors a process usually may have
constexpr int kMostAttempts = 8;        // another process may keep putting something in our place
constexpr int kMostMissing = 4096;      // directories and links on the way to one that is missing
constexpr mode_t kImplicitMode = 0755;  // of directories that no entry describes

/// A path of the image. Nothing is mounted in a destination of ours: what is there all the same is not the
/// image's.
constexpr unsigned kPath = RESOLVE_IN_ROOT | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS;
/// One name in a directory.
constexpr unsigned kName = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS;

bool is_directory_or_link(int parent, const std::string& name) {
  struct stat status {};
  if (::fstatat(parent, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == -1) return false;
  return S_ISDIR(status.st_mode) || S_ISLNK(status.st_mode);
}

bool is_no_directory(int error) {
  return error == ENOENT || error == ENOTDIR || error == ELOOP;
}

}  // namespace

Destination::Destination(const std::string& path)
    : root_(check(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open(\"{}\")", path)) {
  if (!std::filesystem::is_empty("/proc/self/fd/" + std::to_string(root_.get()))) {
    throw std::runtime_error(fmt::format("\"{}\" is not empty: name a new directory", path));
  }
  if (!open("", root_.get(), ".", kPath)) {
    const char* hint = errno == ENOSYS ? " (openat2 needs Linux 5.6)" : "";
    throw_error(errno, fmt::format("openat2(\"{}\"){}", path, hint));
  }
}

void Destination::begin_layer() {
  has_lower_ = !std::filesystem::is_empty("/proc/self/fd/" + std::to_string(root_.get()));
  made_.clear();
}

Destination::DirectoryPointer Destination::open(const std::string& path, int parent, const std::string& name,
                                                unsigned resolve) {
  unique_fd fd(open_beneath(parent, name, O_RDONLY | O_DIRECTORY, resolve));
  if (!fd) return nullptr;
  struct stat status {};
  check(::fstat(fd.get(), &status), "fstat(\"{}\")", path);
  if (by_path_.size() >= kMostOpen) close_directories();
  auto& directory = by_inode_[status.st_ino];
  if (!directory) {
    directory.reset(new Directory{std::move(fd), status.st_ino, {status.st_atim, status.st_mtim}});
  }
  return by_path_[path] = directory;
}

Destination::DirectoryPointer Destination::find(const std::string& path) {
  if (const auto found = by_path_.find(path); found != by_path_.end()) return found->second;
  auto directory = open(path, root_.get(), path.empty() ? "." : path, kPath);
  if (!directory && !is_no_directory(errno)) throw_error(errno, fmt::format("openat2(\"{}\")", path));
  return directory;
}

Destination::DirectoryPointer Destination::find_or_make(const std::string& path, int depth) {
  if (auto directory = find(path)) return directory;
  if (depth == kMostMissing) errno = ELOOP;
  if (errno != ENOENT) throw_error(errno, fmt::format("openat2(\"{}\")", path));

  const EntryName name = EntryName::split(path);
  const auto parent = find_or_make(name.directory, depth + 1);
  const bool made = ::mkdirat(parent->fd.get(), name.name.c_str(), kImplicitMode) == 0;
  if (!made && errno != EEXIST) throw_error(errno, fmt::format("mkdirat(\"{}\")", path));
  const auto directory = made ? open(path, parent->fd.get(), name.name, kName) : find(path);
  if (!directory) return find_or_make(behind_dangling_link(parent, name), depth + 1);
  if (made) {
    ++implicit_directories_;
    waiting_.erase(directory->inode);
    check(::fchmod(directory->fd.get(), kImplicitMode), "fchmod(\"{}\")", path);  // not masked by umask(2)
  }
  return directory;
}

/// Some images have files behind links to what does not exist, as in var/run -> /run.
std::string Destination::behind_dangling_link(const DirectoryPointer& parent, const EntryName& name) {
  char buffer[PATH_MAX];
  const auto length = check(::readlinkat(parent->fd.get(), name.name.c_str(), buffer, sizeof buffer),
                            "readlinkat(\"{}\")", name.path());
  const std::string target(buffer, static_cast<std::size_t>(length));
  const bool absolute = target.starts_with('/') || name.directory.empty();
  const std::string path = absolute ? target : name.directory + "/" + target;
  const auto first = path.find_first_not_of('/');
  if (first == std::string::npos) throw_error(ELOOP, fmt::format("openat2(\"{}\")", name.path()));
  return path.substr(first, path.find_last_not_of('/') - first + 1);
}

Destination::DirectoryPointer Destination::make_directory(const EntryName& name) {
  if (name.name.empty()) return find("");
  DirectoryPointer directory;
  const int result = make(name, [&](int parent) {
    const bool made = ::mkdirat(parent, name.name.c_str(), S_IRWXU) == 0;
    if (!made && errno != EEXIST) return -1;
    directory = open(name.path(), parent, name.name, kName);
    if (directory && made) waiting_.erase(directory->inode);
    if (!directory && is_no_directory(errno)) errno = EEXIST;
    return directory ? 0 : -1;
  });
  check(result, "mkdirat(\"{}\")", name.path());
  return directory;
}

int Destination::make(const EntryName& name, const std::function<int(int directory)>& make) {
  for (int attempt = 1;; ++attempt) {
    const auto parent = find_or_make(name.directory);
    const int result = make(parent->fd.get());
    if (result != -1) {
      if (has_lower_ && made_.emplace(parent->inode, name.name).second) count_name(name.name);
      return result;
    }
    if (errno != EEXIST || attempt == kMostAttempts) return -1;
    remove(name, false);
  }
}

void Destination::hide(const EntryName& name) {
  if (has_lower_) remove(name, true);
}

void Destination::hide_contents(const EntryName& name) {
  if (!has_lower_) return;
  close_directories();
  const auto parent = find(name.directory);
  if (!parent) return;
  // A symbolic link is a lower layer's: the directory of this layer, which the whiteout is about, replaces
  // it.
  const auto directory = name.name.empty() ? parent : open(name.path(), parent->fd.get(), name.name, kName);
  if (!directory && is_no_directory(errno)) return;
  if (!directory) throw_error(errno, fmt::format("openat2(\"{}\")", name.path()));
  clear_tree(directory->fd.get(),
             [this](ino_t in, const std::string& entry) { return is_of_this_layer(in, entry); });
}

void Destination::remove(const EntryName& name, bool lower_only) {
  auto parent = find(name.directory);
  if (!parent) return;
  if (is_directory_or_link(parent->fd.get(), name.name)) {
    close_directories();  // what was reached through it is to be looked up anew
    parent = find(name.directory);
    if (!parent) return;
  }
  Keep keep;
  if (lower_only) keep = [this](ino_t in, const std::string& entry) { return is_of_this_layer(in, entry); };
  remove_tree(parent->fd.get(), name.name, keep);
}

bool Destination::is_of_this_layer(ino_t directory, const std::string& name) const {
  return made_.contains({directory, name});
}

void Destination::set_mode_later(const EntryName& name, const Directory& directory, mode_t mode) {
  waiting_.erase(directory.inode);
  if ((mode & S_IRWXU) == S_IRWXU) return;
  waiting_[directory.inode] = {name.path(), mode};
  count_name(name.path());
}

void Destination::count_name(const std::string& name) {
  constexpr std::size_t kNode = 112;  // what a map takes for one, beside the name
  remembered_ += kNode + name.size();
}

void Destination::close_directories() {
  for (const auto& [inode, directory] : by_inode_) {
    check(::futimens(directory->fd.get(), directory->times.data()), "futimens(a directory)");
  }
  by_path_.clear();
  by_inode_.clear();
}

void Destination::finish() {
  std::map<std::string, std::pair<ino_t, mode_t>, std::greater<>> deepest_first;
  for (const auto& [inode, waiting] : waiting_) deepest_first[waiting.path] = {inode, waiting.mode};
  for (const auto& [path, wanted] : deepest_first) {
    const auto directory = find(path);
    if (!directory || directory->inode != wanted.first) continue;  // removed by a later layer
    check(::fchmod(directory->fd.get(), wanted.second), "fchmod(\"{}\", {:o})", path, wanted.second);
  }
  waiting_.clear();
  close_directories();
}

}  // namespace workshop
