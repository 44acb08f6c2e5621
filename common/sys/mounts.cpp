#include "common/sys/mounts.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace workshop {
namespace {

/// Undoes "\040" and the like, as which mountinfo has spaces, tabs, newlines and backslashes.
std::string unescaped(const std::string& field) {
  std::string result;
  for (std::size_t i = 0; i < field.size(); ++i) {
    const bool escape = field[i] == '\\' && i + 3 < field.size();
    result += escape ? static_cast<char>(std::strtol(field.substr(i + 1, 3).c_str(), nullptr, 8)) : field[i];
    if (escape) i += 3;
  }
  return result;
}

}  // namespace

std::vector<Mount> read_mounts() {
  std::vector<Mount> result;
  std::ifstream lines("/proc/self/mountinfo");
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string parent, device, word;
    Mount mount;
    words >> mount.id >> parent >> device >> mount.root >> mount.point;
    while (words >> word && word != "-") {  // optional fields, as many as there are
    }
    words >> mount.type;
    mount.point = unescaped(mount.point);
    result.push_back(mount);
  }
  return result;
}

}  // namespace workshop
