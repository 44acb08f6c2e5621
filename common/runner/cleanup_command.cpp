// `./workshop cleanup [--dry-run] [STORE]`: removes mounts and containers that levels left behind, and
// nothing else.

#include <algorithm>
#include <filesystem>
#include <set>

#include "common/image/default_store.hpp"
#include "common/image/images.hpp"
#include "common/runner/cleanup.hpp"
#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// The canonical paths of all stores there may be something in: those asked for, or root's, the user's, and
/// those that have mounts.
std::vector<std::string> stores(const Arguments& arguments, const std::vector<Mount>& mounts) {
  std::vector<std::string> candidates = arguments.words;
  if (candidates.empty()) {
    candidates = stores_of(mounts);
    candidates.insert(candidates.end(), {"/var/lib/workshop", default_store(), store_of_sudo_caller()});
  }
  std::set<std::string> result;
  for (const auto& candidate : candidates) {
    std::error_code missing;
    const std::string path = std::filesystem::canonical(candidate, missing);
    if (!missing && is_store(path))
      result.insert(path);
    else if (!arguments.words.empty()) {
      throw std::runtime_error(
          fmt::format("{} is not an image store: it has no workshop-store.json", candidate));
    }
  }
  return {result.begin(), result.end()};
}

/// Whether there is anything that root would have to look at. What we may not look into counts.
bool may_have_containers(const std::vector<std::string>& stores) {
  return std::any_of(stores.begin(), stores.end(), [](const std::string& store) {
    std::error_code error;
    const std::filesystem::directory_iterator containers(store + "/containers", error);
    if (error) return error != std::errc::no_such_file_or_directory;
    return containers != std::filesystem::directory_iterator();
  });
}

/// False where it could not be removed.
bool remove(const Leftover& leftover, bool dry_run) {
  const std::string would = dry_run ? "would have " : "";
  if (!leftover.refused.empty() || !leftover.used_by.empty()) {
    const std::string& why = leftover.refused.empty() ? leftover.used_by : leftover.refused;
    print(fmt::format("left alone {}: {}\n", leftover.folder, why));
    return leftover.refused.empty();
  }
  try {
    for (const auto& mount : leftover.mounts) {
      if (!dry_run) unmount(mount);
      print(fmt::format("{}unmounted {}\n", would, mount.point));
    }
    if (!dry_run) remove_folder(leftover);
    print(fmt::format("{}removed {}\n", would, leftover.folder));
  } catch (const std::exception& error) {
    print(fmt::format("left alone {}: {}\n", leftover.folder, error.what()));
    return false;
  }
  return true;
}

/// Mounts that look like a level's, in what was a store before its marker was removed. True if there are any.
bool report_orphans(const std::vector<Mount>& mounts) {
  bool found = false;
  for (const auto& store : stores_of(mounts)) {
    if (is_store(store)) continue;
    for (auto mount = mounts.rbegin(); mount != mounts.rend(); ++mount) {
      if (mount->point.rfind(store + "/containers/", 0) != 0) continue;
      print(
          fmt::format("left alone {}: {} has no workshop-store.json that says it is ours. If it is: "
                      "sudo umount '{}'\n",
                      mount->point, store, mount->point));
      found = true;
    }
  }
  return found;
}

}  // namespace

int clean_up(const Arguments& arguments) {
  arguments.allow(1, {"--dry-run"});
  const auto mounts = read_mounts();
  if (mounts.empty()) throw std::runtime_error("cannot read /proc/self/mountinfo: is /proc mounted?");
  const auto found_stores = stores(arguments, mounts);
  if (may_have_containers(found_stores)) {
    become_root(arguments.argv, "see who uses a container, and to unmount", {"WORKSHOP_STORE"});
  }
  bool found = arguments.words.empty() && report_orphans(mounts), ok = !found;
  for (const auto& store : found_stores) {
    for (const auto& leftover : find_leftovers(store, mounts)) {
      found = true;
      ok = remove(leftover, arguments.has("--dry-run")) && ok;
    }
  }
  if (!found) print("Nothing to clean up: no level has left a container or a mount.\n");
  return ok ? 0 : 1;
}

}  // namespace workshop
