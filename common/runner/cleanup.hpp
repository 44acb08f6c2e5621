#pragma once

#include <string>
#include <vector>

#include "common/sys/mounts.hpp"

namespace workshop {

/// A container that has ended, or has not: <store>/containers/<uuid>, which level 1 makes and leaves.
struct Leftover {
  std::string folder;
  std::vector<Mount> mounts;  ///< ours, deepest first
  std::string used_by;        ///< not empty: it runs, and is left alone
  std::string refused;        ///< not empty: something of somebody else's is there, and it is left alone
};

/// Whether `path` is an image store of ours: it has the marker file. What we may not look into (never, as
/// root) may be.
bool is_store(const std::string& path);

/// Stores that `mounts` betray: those with something mounted below containers/<uuid>/rootfs.
std::vector<std::string> stores_of(const std::vector<Mount>& mounts);

/// The containers in a store. `store` is canonical (realpath(3)), as the paths in mountinfo are.
std::vector<Leftover> find_leftovers(const std::string& store, const std::vector<Mount>& mounts);

/// Unmounts one of a leftover's mounts. No symbolic link on the way is followed; what has been mounted over
/// it in the meantime is left alone. Throws std::system_error (EBUSY: something uses it) or
/// std::runtime_error.
void unmount(const Mount& mount);

/// Removes the folder, from which everything has been unmounted. Throws, and removes nothing, where something
/// is still mounted.
void remove_folder(const Leftover& leftover);

}  // namespace workshop
