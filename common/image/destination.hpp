#pragma once

#include <sys/types.h>
#include <time.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>

#include "common/image/entry_name.hpp"
#include "common/sys/fd.hpp"

namespace workshop {

/// A directory of the destination, held open. It is given its times when it is closed: making and removing
/// entries changes them (inode(7)).
struct Directory {
  unique_fd fd;
  ino_t inode;
  std::array<timespec, 2> times;  ///< of access and modification
};

/// The directory that layers are applied to. Every path is resolved in it as if it were "/" (openat2(2)),
/// once for each directory: some stay open. What is done then is done to single names in open directories and
/// follows no symbolic link. Everything here throws std::system_error.
class Destination {
 public:
  using DirectoryPointer = std::shared_ptr<Directory>;

  /// `path` must be an empty directory.
  explicit Destination(const std::string& path);

  /// What is there from now on belongs to lower layers.
  void begin_layer();

  /// The directory `path`, nullptr if there is none.
  DirectoryPointer find(const std::string& path);

  /// The entry `name` as a directory: the one that is there, or a new one in place of what is there.
  DirectoryPointer make_directory(const EntryName& name);

  /// Has `make` make the entry `name`, in place of what is there. It is called with the open directory and
  /// returns -1 and errno as system calls do, EEXIST where something is in its place; returns what it
  /// returned at last. Missing directories on the way are made.
  int make(const EntryName& name, const std::function<int(int directory)>& make);

  /// Removes what lower layers have at `name`.
  void hide(const EntryName& name);

  /// Removes what lower layers have in the directory `name`.
  void hide_contents(const EntryName& name);

  /// Has finish() give a directory the mode of its last entry, if with that we could not work in it before.
  void set_mode_later(const EntryName& name, const Directory& directory, mode_t mode);

  /// Closes the open directories and gives directories the modes that had to wait.
  void finish();

  /// How many directories were made that no entry described.
  std::uint64_t implicit_directories() const { return implicit_directories_; }

  /// How many bytes of memory, about, were needed for names.
  std::uint64_t remembered() const { return remembered_; }

 private:
  DirectoryPointer open(const std::string& path, int parent, const std::string& name, unsigned resolve);
  DirectoryPointer find_or_make(const std::string& path, int depth = 0);
  std::string behind_dangling_link(const DirectoryPointer& parent, const EntryName& name);
  void remove(const EntryName& name, bool lower_only);
  bool is_of_this_layer(ino_t directory, const std::string& name) const;
  void close_directories();
  void count_name(const std::string& name);

  struct Waiting {
    std::string path;
    mode_t mode;
  };

  unique_fd root_;
  bool has_lower_ = false;                        // a layer below this one
  std::set<std::pair<ino_t, std::string>> made_;  // by this layer, if there is one below: directory and name
  std::unordered_map<std::string, DirectoryPointer> by_path_;
  std::unordered_map<ino_t, DirectoryPointer> by_inode_;  // one directory may be open under several paths
  std::unordered_map<ino_t, Waiting> waiting_;
  std::uint64_t implicit_directories_ = 0;
  std::uint64_t remembered_ = 0;
};

}  // namespace workshop
