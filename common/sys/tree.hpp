#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace workshop {

/// Whether the entry `name` of the directory with inode number `directory` is to stay.
using Keep = std::function<bool(ino_t directory, const std::string& name)>;

/// Removes the entry `name`, one component, of the directory `parent` (a descriptor), and everything below if
/// it is a directory. Not being there is fine. Symbolic links are removed, never followed; directories
/// without permissions are opened up first; depth does not matter.
///
/// A mount point at or below `name` is an error that names it, and then nothing has been removed. One that
/// appears while this runs is not entered.
///
/// With `keep`, what it wants stays, and so do the directories around it, with their times.
///
/// Throws std::system_error, or std::runtime_error for a mount point.
void remove_tree(int parent, const std::string& name, const Keep& keep = {});

/// The same for a path, in which symbolic links are followed up to the last component but not there.
void remove_tree(const std::string& path);

/// Removes what is in `directory`, but not the directory itself; otherwise as remove_tree.
void clear_tree(int directory, const Keep& keep = {});

}  // namespace workshop
