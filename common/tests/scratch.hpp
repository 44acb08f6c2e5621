#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>

#include "common/sys/fd.hpp"
#include "common/testing/text.hpp"

namespace workshop::testing {

/// A new empty directory for one test, removed with all that is in it when the test ends, also when it is
/// killed.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  /// Makes a directory in it; returns its path.
  std::string directory(const std::string& name) const;

  /// Runs a shell script in it and requires that it succeeds.
  void shell(const std::string& script) const;

 private:
  std::string path_;
  unique_fd alive_;  // of a pipe: closed when the test ends, however it does
  pid_t cleaner_ = -1;
};

/// What a tree looks like, by path: type, mode, owner, size, times, link target, contents, the first name of
/// a file with several, extended attributes.
using Snapshot = std::map<std::string, std::string>;

/// With `changes`, also when each file was last changed in any way (st_ctim): for what nobody may have
/// touched.
Snapshot snapshot(const std::string& directory, bool changes = false);

/// What has changed, a line for each file: "- before" and "+ after". "" if nothing.
std::string difference(const Snapshot& before, const Snapshot& after);

/// The text of a file; "" if it cannot be read.
std::string read_file(const std::string& path);

/// The message of what `function` throws; "" if nothing.
std::string error_of(const std::function<void()>& function);

/// What `function` returns, run in a forked process, which may change its ids and namespaces. "failed: ..."
/// for an exception.
std::string in_child(const std::function<std::string()>& function);

/// For a child: become an ordinary user, give `path` to it, and root of a user namespace with a single id.
void become_user(const std::string& path);
void enter_user_namespace();

}  // namespace workshop::testing
