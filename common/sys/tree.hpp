#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace workshop {

/// Whether the entry `name` of the directory with inode number `directory` is to stay.
using Keep = std::function<bool(ino_t directory, const std::string& name)>;

/// Removes the entry `name` of the directory `parent`, and everything below if it is a directory. Not being there is
/// fine. Symbolic links are removed, never followed; directories without permissions are opened up first. A mount
/// point at or below `name` is an error that names it, and then nothing has been removed (one that appears while
/// this runs is not entered either).
///
/// With `keep`, what it wants stays, and so do the directories around it, with their times.
///
/// `parent` may be AT_FDCWD and `name` then a path, of which everything before the last slash is the caller's
/// responsibility. Throws std::system_error, or std::runtime_error for a mount point.
void remove_tree(int parent, const std::string& name, const Keep& keep = {});

/// The same for a path: `remove_tree(path)`.
void remove_tree(const std::string& path);

}  // namespace workshop
