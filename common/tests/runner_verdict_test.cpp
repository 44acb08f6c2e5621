// What the runner makes of a test program's lines, and what `check` and `status` say:
// common/runner/verdict.hpp.

#include "common/runner/verdict.hpp"

#include "common/runner/build.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/text.hpp"
#include "common/tests/runner_samples.hpp"

using namespace workshop;
using workshop::testing::contains;

namespace {

TestRun parse(const std::string& text) {
  TestRun run;
  for (const auto& line : split_lines(text)) take_line(run, line);
  return run;
}

/// Fills in a step of the sample's level 1 as a learner would.
void solve_step_one(const SampleWorkshop& sample) {
  sample.replace("level01-words/level01.cpp", "  //   puts(3)\n  // END(level01.1)",
                 "  std::puts(\"one\");\n  // END(level01.1)");
}

}  // namespace

TEST_CASE("the reporter's lines become tests with their step, result and explanation") {
  const TestRun run = parse(R"(noise before
[step1] ok    it starts
[step2] FAIL  a mount: made inside
    $ level02 run
    exit status 0

    seen
[step12] skip  devices: needs root: sudo
ok    of no step
[stepx] ok    no marker
)");
  REQUIRE(run.cases.size() == 4);
  CHECK(run.cases[0].step == 1);
  CHECK(run.cases[0].result == TestCase::Result::ok);
  CHECK(run.cases[1].name == "a mount: made inside");
  CHECK(run.cases[1].result == TestCase::Result::failed);
  CHECK(run.cases[1].explanation == "    $ level02 run\n    exit status 0\n\n    seen\n");
  CHECK(run.cases[2].step == 12);
  CHECK(run.cases[2].reason == "needs root: sudo");
  CHECK(run.cases[3].step == 0);
  CHECK(run.other == "noise before\n[stepx] ok    no marker\n");
}

TEST_CASE("check stops at the first step that is not done and says where it is and what was seen") {
  const SampleWorkshop sample;
  const Output output = sample.run("check 1");
  INFO(output.text);
  CHECK(output.status == 1);
  CHECK(contains(output.text, "level01-words/level01.cpp:9: step 1, say one"));
  CHECK(contains(output.text, "the program says one"));
  CHECK(contains(output.text, "expected the word: one"));
  CHECK(contains(output.text, "./workshop hint 1 1"));
  CHECK_FALSE(contains(output.text, "the program says two"));
  CHECK_FALSE(contains(output.text, "\033"));
}

TEST_CASE("check goes on from a step that has been done to the next") {
  const SampleWorkshop sample;
  solve_step_one(sample);
  const Output output = sample.run("check");
  INFO(output.text);
  CHECK(output.status == 1);
  CHECK(contains(output.text, "level01-words/level01.cpp:3: step 2, say two"));
}

TEST_CASE("a level is done without its bonus steps, and check says which level is next") {
  const SampleWorkshop sample;
  const StepFile skeleton = read_steps(sample.folder() / "level01-words/level01.cpp");
  const StepFile solution = read_steps(sample.folder() / "solutions/level01.cpp");
  sample.write("level01-words/level01.cpp",
               with_blocks_of(skeleton, solution, [](int step) { return step < 3; }));
  const Output output = sample.run("check 1");
  INFO(output.text);
  CHECK(output.status == 0);
  CHECK(contains(output.text, "Level 1 is done."));
  CHECK(contains(output.text, "Level 02: more words"));
  CHECK(contains(output.text, "bonus step 3, say three"));
  const Output next = sample.run("check");
  CHECK(contains(next.text, "level02-more/level02.cpp:4: step 1, say more"));
  const Output map = sample.run("");
  INFO(map.text);
  CHECK(map.status == 0);
  CHECK(contains(map.text, "Then:   ./workshop check 2"));
}

TEST_CASE("a compile error is shown with its place and without the build tool's lines") {
  const SampleWorkshop sample;
  sample.replace("level01-words/level01.cpp", "int main() {", "int main() { nonsense");
  const Output output = sample.run("check 1");
  INFO(output.text);
  CHECK(output.status == 1);
  CHECK(contains(output.text, "level01.cpp:8:14: error: "));
  CHECK(contains(output.text, "level01-words/level01.cpp does not compile"));
  for (const char* noise : {"FAILED:", "ninja:", "c++ -Wall"}) CHECK_FALSE(contains(output.text, noise));
}

TEST_CASE("a marker that the learner lost is named, and the way back") {
  const SampleWorkshop sample;
  sample.replace("level01-words/level01.cpp", "  // END(level01.3)\n", "");
  const Output output = sample.run("check 1");
  INFO(output.text);
  CHECK(output.status == 1);
  CHECK(contains(output.text, "the block does not end"));
  CHECK(contains(output.text, "./workshop reset 1"));
}

TEST_CASE("a command, a level or an option that there is not is an error that helps") {
  const SampleWorkshop sample;
  const Output typo = sample.run("chekc");
  CHECK(typo.status == 125);
  CHECK(contains(typo.text, "did you mean 'check'?"));
  const Output level = sample.run("check 7");
  CHECK(level.status == 125);
  CHECK(contains(level.text, "the levels are 1, 2"));
  CHECK(sample.run("check --nonsense").status == 125);
  CHECK(sample.run("--help").status == 0);
}
