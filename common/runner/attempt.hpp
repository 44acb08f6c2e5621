#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace workshop {

/// What went wrong in an attempt.
struct Failure {
  int error;         ///< an errno value; 0 where it was none of the kernel's
  std::string what;  ///< "unshare(CLONE_NEWUSER): Operation not permitted"
};

/// Runs `function` in a child process and tells what it threw; nothing where all went well. Whatever it
/// changes, ids, namespaces, mounts, ends with the child, which is given ten seconds. As root the child first
/// becomes `user` (uid and gid), where one is given. What it prints is thrown away.
std::optional<Failure> attempt(const std::function<void()>& function,
                               const std::optional<std::pair<uid_t, gid_t>>& user = {});

}  // namespace workshop
