#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace workshop {

/// A level of the workshop and its files. Levels are found, not listed: a folder levelNN-NAME is one.
struct Level {
  int number = 0;
  std::string id;                  ///< "level02": what its file, its program and its blocks are called
  std::string name;                ///< "mountns", from the folder's name
  std::filesystem::path folder;    ///< level02-mountns
  std::filesystem::path skeleton;  ///< level02-mountns/level02.cpp, the file that the learner edits
  std::filesystem::path tests;     ///< level02-mountns/level02_test.cpp
  std::filesystem::path chapter;   ///< level02-mountns/README.md
  std::filesystem::path solution;  ///< solutions/level02.cpp

  /// The chapter's first heading without its "#", or the folder's name where there is no chapter.
  std::string title() const;
};

/// A checkout of the workshop and the folder it is built in.
struct Project {
  std::filesystem::path source;
  std::filesystem::path build;
  std::vector<Level> levels;  ///< by number

  /// The level that somebody means by "2", "02" or "level02". Throws UsageError naming those there are.
  const Level& level(const std::string& name) const;

  /// `path` as one would type it in the current directory, or from the checkout's top where it is not below.
  std::string shown(const std::filesystem::path& path) const;

  /// Whom the checkout belongs to. Under sudo, what is written into it must be theirs and not root's.
  uid_t owner() const;
  gid_t group() const;
};

/// The checkout in `source`, built in `build`.
Project open_project(const std::filesystem::path& source, const std::filesystem::path& build);

/// The folder of the build that this program is part of.
std::filesystem::path own_build();

/// The checkout that this program was built from. Found from the program's own place, so that it survives a
/// move; where it was built outside the checkout, by the path known when it was configured.
Project find_project();

/// The whole file. Throws std::system_error where it cannot be read.
std::string read_file(const std::filesystem::path& path);

/// Replaces a file of the checkout in one step (rename(2)), with the owner the checkout has.
void write_file(const Project& project, const std::filesystem::path& path, const std::string& text);

}  // namespace workshop
