// What a learner's program does to itself, and what the tests of a level then say: real programs, made of
// level 1's solution.

#include <cstdlib>

#include "common/runner/steps.hpp"
#include "common/runner/variant.hpp"
#include "common/runner/verdict.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"

using namespace workshop;
using workshop::testing::contains;

namespace {

/// What the first test that fails says when `line` stands at the beginning of run().
std::string explanation(const std::string& name, const std::string& line) {
  const Project project = find_project();
  const Level& level = project.level("1");
  const std::string text = replaced(read_file(level.solution), "\nint run(const Options& options) {\n",
                                    "\nint run(const Options& options) {\n  " + line + "\n");
  const Variant variant = build_variant(project, level, name, text);
  INFO(variant.messages);
  REQUIRE(variant.compiles);
  const TestRun run = run_tests(project, level, variant.program, {"--abort"});
  return run.cases.empty() ? run.other : run.cases.back().explanation;
}

}  // namespace

TEST_CASE("a program that hangs, forks without end or crashes is stopped, and what it did is named") {
  ::setenv("WORKSHOP_PROGRAM", (own_build() / "bin/level01").c_str(), 1);
  if (const auto why = testing::cannot_run(testing::As::root)) WORKSHOP_SKIP(*why);
  struct Row {
    const char* name;
    const char* line;
    const char* said;
  };
  const Row rows[] = {
      {"trouble-none", "", ""},
      {"trouble-hangs", "for (;;) ::pause();", "did not end by itself and was stopped"},
      {"trouble-forks", "for (;;) ::fork();", "started more than 1000 processes"},
      {"trouble-crashes", "*static_cast<volatile int*>(nullptr) = 1;", "signal 11, Segmentation fault"},
      {"trouble-aborts", "std::abort();", "signal 6, Aborted"},
  };
  for (const Row& row : rows) {
    const std::string said = explanation(row.name, row.line);
    INFO(row.line << "\n" << said);
    CHECK(contains(said, row.said));
    CHECK(said.empty() == (*row.said == '\0'));
  }
}
