#pragma once

#include <string>
#include <vector>

#include "common/runner/command.hpp"
#include "common/runner/project.hpp"

namespace workshop {

struct Build {
  bool ok = false;
  std::string messages;  ///< what the compiler said, without the build tool's lines
};

/// Builds the targets and what they need, with a line of progress where it takes a while. Changed files only:
/// a build with nothing to do takes hundredths of a second.
Build build(const Project& project, const std::vector<std::string>& targets, const std::string& title);

/// The compiler's messages out of what ninja writes: neither its progress, nor the commands it ran, with
/// paths as one would type them.
std::string compiler_messages(const Project& project, const std::string& output);

/// Whom commands that write into the checkout run as.
std::pair<uid_t, gid_t> owner_of(const Project& project);

}  // namespace workshop
