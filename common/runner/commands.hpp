#pragma once

#include <string>
#include <vector>

#include "common/runner/project.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/verdict.hpp"

// The commands of the runner: each takes what follows its name on the command line and returns the exit
// status. 0: fine; 1: something is not done, or not as it should be; 125: the runner itself failed.

namespace workshop {

/// What follows the command's name.
struct Arguments {
  std::vector<std::string> words;    ///< in their order
  std::vector<std::string> options;  ///< "--dry-run"
  std::vector<std::string> command;  ///< what follows "--", untouched
  char** argv = nullptr;             ///< the whole command line, to be repeated with sudo

  bool has(const std::string& option) const;
  /// Throws UsageError for more words than `words` and for options that are not among `known`.
  void allow(std::size_t words, const std::vector<std::string>& known = {}) const;
};

int show_status(const Arguments& arguments);
int watch_level(const Arguments& arguments);
int set_up(const Arguments& arguments);
int check_level(const Arguments& arguments);
int examine_machine(const Arguments& arguments);
int bundle_images(const Arguments& arguments);
int show_room(const Arguments& arguments);
int show_completion(const Arguments& arguments);
int run_suite(const Arguments& arguments);
int run_bench(const Arguments& arguments);
int show_demo(const Arguments& arguments);
int clean_up(const Arguments& arguments);
int run_gate(const Arguments& arguments);
int show_hint(const Arguments& arguments);
int diff_level(const Arguments& arguments);
int solve_steps(const Arguments& arguments);
int reset_steps(const Arguments& arguments);
int show_help(const Arguments& arguments);

/// Prints what `check` has to say of a level.
void print_verdict(const Project& project, const LevelVerdict& verdict);
/// The verdict on the first level that is not done, or the last.
LevelVerdict first_unfinished(const Project& project);

/// The level that the first word names, and the step that the second does (`otherwise` where there is none).
/// They throw UsageError naming those there are.
const Level& level_argument(const Arguments& arguments, const Project& project);
int step_argument(const Arguments& arguments, const StepFile& file, int otherwise);

}  // namespace workshop
