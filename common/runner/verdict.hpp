#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "common/runner/project.hpp"
#include "common/runner/steps.hpp"

namespace workshop {

/// One test of a level's test program: a sentence about behaviour.
struct TestCase {
  enum class Result { ok, failed, skipped };

  int step = 0;  ///< from its tag, [step2]; 0: of no step
  Result result = Result::ok;
  std::string name;
  std::string reason;       ///< why it was skipped
  std::string explanation;  ///< of a failure: lines, as the test program wrote them
};

/// What a test program (levelNN_test) said.
struct TestRun {
  std::vector<TestCase> cases;
  std::string other;  ///< lines that are of no test: where it crashed, why
  int status = 0;     ///< 0 all passed, 77 something was skipped, else failed
};

/// Takes the lines of the reporter `workshop` (common/testing/catch_main.cpp):
///
///     [step2] ok    a mount made inside is invisible outside
///     [step3] FAIL  the next one
///         indented by two or more: what explains it
///     [step4] skip  another: and why
void take_line(TestRun& run, const std::string& line);

/// Runs the tests of a level, which judge `program`. `arguments` are Catch2's. `on_case` is told of each test
/// when it has ended.
TestRun run_tests(const Project& project, const Level& level, const std::filesystem::path& program,
                  const std::vector<std::string>& arguments,
                  const std::function<void(const TestCase&)>& on_case = {});

/// What the tests say of a step.
struct StepVerdict {
  enum class State {
    done,     ///< its tests pass
    open,     ///< one of them fails
    skipped,  ///< none fails, and none could be run here
    unknown,  ///< no test was run: an earlier step is open
  };

  Step step;
  State state = State::unknown;
  std::vector<TestCase> cases;
};

struct LevelVerdict {
  const Level* level = nullptr;
  std::string compile_errors;  ///< not empty: the level's file does not compile, and nothing was run
  std::string compile_warnings;
  std::string trouble;            ///< the file's markers or the test program are broken: what to do about it
  std::vector<TestCase> general;  ///< failed tests that are of no step
  std::vector<StepVerdict> steps;

  /// The first step that is not done, bonus steps last; null when there is none.
  const StepVerdict* first_open() const;
  /// All steps but the bonus steps are done.
  bool is_done() const;
};

enum class Extent {
  first_failure,  ///< stop at the first test that fails
  everything,
};

/// Builds the learner's program and its tests, and runs them.
LevelVerdict judge(const Project& project, const Level& level, Extent extent);

}  // namespace workshop
