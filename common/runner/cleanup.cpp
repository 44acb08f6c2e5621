#include "common/runner/cleanup.hpp"

#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>

#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/openat2.hpp"
#include "common/sys/tree.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

/// What a level mounts in a container's root. Anything else there is somebody else's.
constexpr struct {
  const char* point;  ///< below rootfs
  const char* type;
} kOurMounts[] = {
    {"/proc", "proc"},      {"/sys", "sysfs"},         {"/dev", "tmpfs"},
    {"/dev/pts", "devpts"}, {"/dev/mqueue", "mqueue"}, {"/dev/shm", "tmpfs"},
};

bool is_digits(const std::string& text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
}

/// As /proc/sys/kernel/random/uuid writes them: 8-4-4-4-12 hexadecimal digits.
bool is_uuid(const std::string& name) {
  if (name.size() != 36) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? name[i] != '-' : std::isxdigit(static_cast<unsigned char>(name[i])) == 0) return false;
  }
  return true;
}

bool is_below(const std::string& path, const std::string& folder) {
  return path == folder || path.rfind(folder + "/", 0) == 0;
}

/// Ours: one of the table, and the whole of a file system, not a folder of the host's that was bound there.
bool is_ours(const Mount& mount, const std::string& rootfs) {
  return mount.root == "/" && std::any_of(std::begin(kOurMounts), std::end(kOurMounts), [&](const auto& row) {
           return mount.point == rootfs + row.point && mount.type == row.type;
         });
}

std::string first_line(const fs::path& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

/// When a process started, in seconds since the epoch; now, if it has ended.
std::time_t start_of(const fs::path& process) {
  const std::string stat = first_line(process / "stat");
  std::istringstream fields(stat.substr(std::min(stat.rfind(')') + 1, stat.size())));
  std::string field;
  for (int i = 3; i <= 22; ++i) fields >> field;  // 22: starttime, in ticks since boot (proc_pid_stat(5))
  timespec since_boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const std::time_t age = since_boot.tv_sec - std::atoll(field.c_str()) / ::sysconf(_SC_CLK_TCK);
  return is_digits(field) ? std::time(nullptr) - age : std::time(nullptr);
}

/// Whether the link (root, cwd, an open descriptor) leads into the container. Compared by path, and the root
/// by the directory itself too: a process in another mount namespace may have it under another path.
bool leads_into(const fs::path& link, const std::string& folder, const struct stat* rootfs) {
  std::error_code gone;
  const fs::path target = fs::read_symlink(link, gone);
  if (!gone && is_below(target, folder)) return true;
  struct stat status {};
  return rootfs != nullptr && ::stat(link.c_str(), &status) == 0 && status.st_dev == rootfs->st_dev &&
         status.st_ino == rootfs->st_ino;
}

bool has_open(const fs::path& process, const std::string& folder) {
  std::error_code gone;
  for (const auto& descriptor : fs::directory_iterator(process / "fd", gone)) {
    if (leads_into(descriptor.path(), folder, nullptr)) return true;
  }
  return false;
}

/// Whether a program that runs may have made the container: it is then not where one can see it until it has
/// unpacked the image. Only level 1 makes containers here.
bool may_have_made(const fs::path& process, const struct stat& container) {
  return first_line(process / "comm") == "level01" && start_of(process) <= container.st_mtime + 1;
}

std::string find_user(const std::string& folder, const struct stat& container) {
  struct stat rootfs {};
  const bool has_root = ::lstat((folder + "/rootfs").c_str(), &rootfs) == 0;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const fs::path& process = entry.path();
    if (!is_digits(process.filename()) || process.filename() == std::to_string(::getpid())) continue;
    if (leads_into(process / "root", folder, has_root ? &rootfs : nullptr) ||
        leads_into(process / "cwd", folder, has_root ? &rootfs : nullptr) || has_open(process, folder) ||
        may_have_made(process, container)) {
      return fmt::format("process {} ({}) uses it; when it has ended, run this again",
                         process.filename().string(), first_line(process / "comm"));
    }
  }
  return "";
}

Leftover inspect(const std::string& folder, const std::vector<Mount>& mounts) {
  Leftover leftover{folder, {}, {}, {}};
  struct stat container {};
  if (::lstat(folder.c_str(), &container) == -1) throw_error(errno, fmt::format("lstat(\"{}\")", folder));
  if (!S_ISDIR(container.st_mode)) {
    leftover.refused = "it is not a directory";
    return leftover;
  }
  for (const auto& mount : mounts) {
    if (!is_below(mount.point, folder)) continue;
    if (!is_ours(mount, folder + "/rootfs")) {
      leftover.refused =
          fmt::format("{} is mounted on {}, and not by a level. If nobody needs it there: umount '{}'",
                      mount.type, mount.point, mount.point);
    }
    leftover.mounts.insert(leftover.mounts.begin(), mount);  // children come after their parents in mountinfo
  }
  leftover.used_by = find_user(folder, container);
  return leftover;
}

unique_fd open_folder(const std::string& path, int flags) {
  return unique_fd(check(open_beneath(AT_FDCWD, path, flags | O_DIRECTORY, RESOLVE_NO_SYMLINKS),
                         "openat2(\"{}\", RESOLVE_NO_SYMLINKS)", path));
}

}  // namespace

bool is_store(const std::string& path) {
  struct stat marker {};
  if (::lstat((path + "/workshop-store.json").c_str(), &marker) == -1) return errno == EACCES;
  return S_ISREG(marker.st_mode);
}

std::vector<std::string> stores_of(const std::vector<Mount>& mounts) {
  static const std::string kContainers = "/containers/";
  std::set<std::string> stores;
  for (const auto& mount : mounts) {
    const auto at = mount.point.rfind(kContainers);
    if (at == std::string::npos) continue;
    const std::string rest = mount.point.substr(at + kContainers.size());
    if (is_uuid(rest.substr(0, rest.find('/')))) stores.insert(mount.point.substr(0, at));
  }
  return {stores.begin(), stores.end()};
}

std::vector<Leftover> find_leftovers(const std::string& store, const std::vector<Mount>& mounts) {
  std::vector<Leftover> result;
  const std::string containers = store + "/containers";
  std::error_code none;
  if (fs::symlink_status(containers, none).type() != fs::file_type::directory) return result;
  for (const auto& entry : fs::directory_iterator(containers)) {
    if (is_uuid(entry.path().filename())) result.push_back(inspect(entry.path(), mounts));
  }
  return result;
}

void unmount(const Mount& mount) {
  const fs::path point = mount.point;
  const unique_fd parent = open_folder(point.parent_path(), O_PATH);
  const Mount* on_top = nullptr;
  const auto now = read_mounts();
  for (const auto& other : now) {
    if (other.point == mount.point) on_top = &other;
  }
  if (on_top == nullptr || on_top->id != mount.id) {
    throw std::runtime_error(fmt::format("{} has changed while we looked: run this again", mount.point));
  }
  const std::string path = fmt::format("/proc/self/fd/{}/{}", parent.get(), point.filename().string());
  check(::umount2(path.c_str(), UMOUNT_NOFOLLOW), "umount2(\"{}\")", mount.point);
}

void remove_folder(const Leftover& leftover) {
  const fs::path folder = leftover.folder;
  const unique_fd containers = open_folder(folder.parent_path(), O_RDONLY);
  remove_tree(containers.get(), folder.filename());
}

}  // namespace workshop
