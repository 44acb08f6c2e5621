#pragma once

#include <optional>
#include <string>

#include "common/runner/project.hpp"

namespace workshop {

/// The level's skeleton as its authors wrote it, whatever the learner has made of the file; nothing where it
/// is not known (any more).
///
/// It comes from git: the newest commit in which the file has the same text around its blocks as today's
/// solution, and in its blocks the same code, comments aside, as in the oldest such commit. Not simply from
/// HEAD, since people commit their work, and not from the upstream branch, since they push it to a fork.
/// Without git (an unpacked archive), from the copy that CMake makes when it configures the build for the
/// first time, before anything can have been tried: build/skeletons/levelNN.cpp.
std::optional<std::string> pristine_skeleton(const Project& project, const Level& level);

/// Whether the file is a learner's by now: known to be no longer the skeleton, in more than comments.
bool is_edited(const Project& project, const Level& level);

}  // namespace workshop
