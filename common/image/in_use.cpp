#include "common/image/in_use.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/sys/error.hpp"
#include "common/sys/mounts.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

std::string mount_below(const std::string& rootfs) {
  for (const auto& [id, root, point, type] : read_mounts()) {
    if (point == rootfs || point.starts_with(rootfs + "/"))
      return fmt::format("something is mounted on {}", point);
  }
  return "";
}

/// Compares the folders themselves, not their paths: a process in a mount namespace of its own may see
/// another path.
std::string process_inside(const struct stat& rootfs) {
  for (const auto& process : fs::directory_iterator("/proc")) {
    const std::string pid = process.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    struct stat root {};
    if (::stat((process.path() / "root").c_str(), &root) == -1) continue;  // ended, or not ours to look at
    if (root.st_dev != rootfs.st_dev || root.st_ino != rootfs.st_ino) continue;
    std::string command;
    std::getline(std::ifstream(process.path() / "comm") >> std::ws, command);
    return fmt::format("process {} ({}) has it as its root", pid, command);
  }
  return "";
}

}  // namespace

std::string user_of_root(const std::string& rootfs) {
  struct stat status {};
  std::error_code error;
  const std::string path = fs::canonical(rootfs, error);
  if (error || ::stat(path.c_str(), &status) == -1) return "";
  const std::string process = process_inside(status);
  return process.empty() ? mount_below(path) : process;
}

}  // namespace workshop
