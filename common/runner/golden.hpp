#pragma once

#include <optional>
#include <string>

#include "common/runner/project.hpp"
#include "common/runner/verdict.hpp"

namespace workshop {

/// What a learner reads who has not done a step: kept as a file, common/tests/golden/levelNN.stepK.txt, so
/// that a change of it is seen, and read, by whoever makes it.
std::filesystem::path golden_file(const Project& project, const Level& level, int step);

/// The failures of a step's tests, without what differs from one machine or run to another: numbers of
/// processes and namespaces, names of users and scratch files, what programs other than the level's wrote.
/// Nothing where one of the tests was skipped.
std::optional<std::string> golden_text(const Project& project, const TestRun& run, int step);

/// The difference to the file, "" where there is none.
std::string compare_with_golden(const Project& project, const Level& level, int step,
                                const std::string& text);

}  // namespace workshop
