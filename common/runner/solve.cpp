// `./workshop solve N [STEP]` and `./workshop reset N [STEP]`: steps filled in, or emptied again.

#include "common/runner/backup.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/pristine.hpp"
#include "common/runner/project.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// The learner's file; where its markers are broken, says that the way out is a reset.
StepFile learners_file(const Level& level) {
  try {
    return read_steps(level.skeleton);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(
        fmt::format("{}\nPut the line back, or start again with ./workshop reset {}: it keeps a backup.",
                    error.what(), level.number));
  }
}

StepFile skeleton_of(const Project& project, const Level& level) {
  const auto text = pristine_skeleton(project, level);
  if (!text) {
    throw std::runtime_error(
        fmt::format("{} as it was at the beginning is not to be found: neither git's history nor "
                    "the build folder has a version that goes with {}",
                    project.shown(level.skeleton), project.shown(level.solution)));
  }
  return parse_steps(level.skeleton, *text);
}

}  // namespace

int solve_steps(const Arguments& arguments) {
  arguments.allow(2);
  const Project project = find_project();
  const Level& level = level_argument(arguments, project);
  const StepFile solution = read_steps(level.solution);
  const int last = step_argument(arguments, solution, solution.steps().back().number);
  const std::string text =
      with_blocks_of(learners_file(level), solution, [last](int step) { return step <= last; });
  replace_keeping_backup(project, level.skeleton, text);
  print(fmt::format("{}: steps 1 to {} are the solution's.\nNext: ./workshop check {}\n",
                    project.shown(level.skeleton), last, level.number));
  return 0;
}

int reset_steps(const Arguments& arguments) {
  arguments.allow(2);
  const Project project = find_project();
  const Level& level = level_argument(arguments, project);
  const StepFile skeleton = skeleton_of(project, level);
  const int only = step_argument(arguments, skeleton, 0);
  const std::string text =
      only == 0 ? join_lines(skeleton.lines)
                : with_blocks_of(learners_file(level), skeleton, [only](int step) { return step == only; });
  replace_keeping_backup(project, level.skeleton, text);
  print(fmt::format("{}: {} as at the beginning.\nNext: ./workshop check {}\n", project.shown(level.skeleton),
                    only == 0 ? "all steps are" : fmt::format("step {} is", only), level.number));
  return 0;
}

}  // namespace workshop
