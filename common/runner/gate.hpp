#pragma once

#include <functional>
#include <string>
#include <vector>

#include "common/runner/project.hpp"
#include "common/runner/verdict.hpp"

namespace workshop {

/// What the authors' checks have to say about a level. Empty: it is as it should be.
struct Findings {
  std::vector<std::string> defects;  ///< a line or more each
  std::vector<std::string> skipped;  ///< what could not be judged on this machine
};

/// The rules for a level's files: no file or function is too long to be read in one go; skeleton and solution
/// are the same but for their blocks; the steps are numbered 1, 2, 3; each has a test, a heading in the
/// chapter and three hints; the chapters link to each other.
Findings check_files(const Project& project, const Level& level);

/// The skeleton compiles without a warning, and each step's tests fail on it.
Findings check_skeleton(const Project& project, const Level& level);

/// With the first k steps filled in from the solution, the tests of these pass and those of the others fail:
/// for every k up to all.
Findings check_walk(const Project& project, const Level& level);

/// With one step of the solution put back to its skeleton text, that step's tests fail: for every step. What
/// they say is what common/runner/golden.hpp keeps.
Findings check_mutants(const Project& project, const Level& level);

/// The same; what the tests say is kept from now on.
Findings update_golden(const Project& project, const Level& level);

/// Compares what the tests said with what they should have said. `name` is what was judged. `must_fail` says
/// of a step whether at least one of its tests has to fail; `must_pass`, whether all have to pass.
Findings compare(const std::string& name, const std::vector<Step>& steps, const TestRun& run,
                 const std::function<bool(int step)>& must_pass,
                 const std::function<bool(int step)>& must_fail);

}  // namespace workshop
