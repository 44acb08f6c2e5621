#include "common/image/in_use.hpp"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/sys/error.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

/// A field of mountinfo has \040 for a space, and the like (proc_pid_mountinfo(5)).
std::string unescape(const std::string& text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      result += static_cast<char>(std::strtol(text.substr(i + 1, 3).c_str(), nullptr, 8));
      i += 3;
    } else {
      result += text[i];
    }
  }
  return result;
}

std::string mount_below(const std::string& rootfs) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string id, parent, device, root, point;
    words >> id >> parent >> device >> root >> point;
    point = unescape(point);
    if (point == rootfs || point.rfind(rootfs + "/", 0) == 0)
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
