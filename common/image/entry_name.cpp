#include "common/image/entry_name.hpp"

#include <algorithm>
#include <climits>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::string_view kPrefix = ".wh.";
constexpr std::string_view kMetadataPrefix = ".wh..wh.";
constexpr std::string_view kOpaque = ".wh..wh..opq";

std::vector<std::string_view> components(std::string_view path) {
  std::vector<std::string_view> result;
  while (!path.empty()) {
    const auto length = std::min(path.find('/'), path.size());
    result.push_back(path.substr(0, length));
    path.remove_prefix(std::min(length + 1, path.size()));
  }
  return result;
}

[[noreturn]] void throw_hostile(const std::string& name, const char* why) {
  throw std::runtime_error(fmt::format("layer entry \"{}\" {}: the layer is refused", name, why));
}

}  // namespace

EntryName EntryName::split(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}

EntryName EntryName::parse(const std::string& name) {
  std::vector<std::string_view> kept;
  for (const auto component : components(name)) {
    if (component.empty() || component == ".") continue;
    if (component != "..") {
      kept.push_back(component);
    } else if (kept.empty()) {
      throw_hostile(name, "leads out of the root file system");
    } else {
      kept.pop_back();
    }
  }
  std::string path;
  for (const auto component : kept) path.append(path.empty() ? "" : "/").append(component);
  if (path.size() >= PATH_MAX)
    throw_hostile(name.substr(0, 60) + "...", "has a name longer than a path may be");
  return split(path);
}

EntryKind parse_whiteout(EntryName& name) {
  const std::string path = name.path();
  for (const auto component : components(name.directory)) {
    if (component.starts_with(kMetadataPrefix)) return EntryKind::aufs_metadata;
    if (component.starts_with(kPrefix)) throw_hostile(path, "has a whiteout for a directory");
  }
  if (name.name == kOpaque) {
    name = EntryName::split(name.directory);
    return EntryKind::opaque_whiteout;
  }
  if (name.name.starts_with(kMetadataPrefix)) return EntryKind::aufs_metadata;
  if (!name.name.starts_with(kPrefix)) return EntryKind::file;
  name.name = name.name.substr(kPrefix.size());
  if (name.name.empty() || name.name == "." || name.name == "..")
    throw_hostile(path, "is a whiteout without a name");
  return EntryKind::whiteout;
}

}  // namespace workshop
