// The authors' checks, tested with levels that break their rules: common/runner/gate.hpp.

#include "common/runner/gate.hpp"

#include "common/testing/catch.hpp"
#include "common/testing/text.hpp"
#include "common/tests/runner_samples.hpp"

using namespace workshop;
using workshop::testing::contains;

namespace {

using Check = Findings (*)(const Project&, const Level&);

/// All that a check says of the sample's level 1.
std::string said(const SampleWorkshop& sample, Check check) {
  const Project project = sample.project();
  std::string text;
  for (const auto& defect : check(project, project.level("1")).defects) text += defect + "\n";
  return text;
}

/// Whether the check says so; if not, what it does say.
bool finds(const SampleWorkshop& sample, Check check, const std::string& part) {
  const std::string text = said(sample, check);
  if (!contains(text, part)) UNSCOPED_INFO("the gate says: " << (text.empty() ? "nothing" : text));
  return contains(text, part);
}

constexpr const char* kSkeleton = "level01-words/level01.cpp";
constexpr const char* kSolution = "solutions/level01.cpp";
constexpr const char* kTests = "level01-words/level01_test.cpp";
constexpr const char* kChapter = "level01-words/README.md";

}  // namespace

TEST_CASE("the control: the gate has nothing to say of levels that keep the rules") {
  const SampleWorkshop sample;
  const Output output = sample.run("gate");
  INFO(output.text);
  CHECK(output.status == 0);
  CHECK(contains(output.text, "ok    level01"));
  CHECK(contains(output.text, "ok    level02"));
  CHECK_FALSE(contains(output.text, "FAIL"));
}

TEST_CASE("files that break a rule are caught") {
  static constexpr struct {
    const char* file;
    const char* from;
    const char* to;
    const char* said;
  } kBroken[] = {
      {kSkeleton, "int main()", "int main(void)", "differ outside their blocks"},
      {kSkeleton, "  // END(level01.3)\n", "", "the block does not end"},
      {kSkeleton, "TODO(level01.1): say one", "TODO(level01.1): say eins", "step 1 has two titles"},
      {kSkeleton, "// TODO(level01.1)", "// STEP(level01.1)", "its blocks begin with TODO"},
      {kSolution, "bonus: say three", "say three", "step 3 has two titles"},
      {kTests, "[step2]", "[step1]", "step 2 has no test"},
      {kTests, "[step3]", "[step4]", "a test of step 4, which there is not"},
      {kTests, "[step1]", "[step3]", "not in the order of the steps"},
      {kChapter, "### Step 2: say two", "### say two", "headings"},
      {kChapter, "<summary>Hint 3: almost the line</summary>\n\n", "", "step 1 has 2 hint(s)"},
      {kChapter, "\nAs before, with the next word.\n", "\n", "\"Hint 3: almost the line\" is empty"},
      {kChapter, "../level02-more/README.md", "../level02/README.md", "no link to ../level02-more/"},
  };
  for (const auto& row : kBroken) {
    const SampleWorkshop sample;
    sample.replace(row.file, row.from, row.to);
    INFO(row.file << ": " << row.from << " -> " << row.to);
    CHECK(finds(sample, check_files, row.said));
  }
}

TEST_CASE("what is too long to be read in one go is caught") {
  const auto lines = [](int count, const std::string& line) {
    std::string text;
    for (int i = 0; i < count; ++i) text += line;
    return text;
  };
  const SampleWorkshop sample;
  sample.replace(kSolution, "int main() {\n", "int main() {\n" + lines(32, "  ;\n"));
  CHECK(finds(sample, check_files, "level01.cpp:9: a function of 43 lines"));
  sample.replace(kTests, "constexpr Test", lines(300, "\n") + "constexpr Test");
  CHECK(finds(sample, check_files, "a level's file has 300 at most"));
}

TEST_CASE("a test that passes on the skeleton is caught") {
  const SampleWorkshop sample;
  sample.replace(kTests, "\"[step2]\", \"two\"", "\"[step2]\", \"\"");
  CHECK(finds(sample, check_skeleton, "none of the tests of step 2 fails"));
}

TEST_CASE("a skeleton that compiles with a warning is caught") {
  const SampleWorkshop sample;
  sample.replace(kSkeleton, "  //   puts(3)\n  // END(level01.1)", "  int unused;\n  // END(level01.1)");
  CHECK(finds(sample, check_skeleton, "unused"));
}

TEST_CASE("a skeleton that does not compile is caught, with what the compiler says") {
  const SampleWorkshop sample;
  sample.replace(kSkeleton, "  //   puts(3)\n  // END(level01.1)", "  say(one);\n  // END(level01.1)");
  const std::string text = said(sample, check_skeleton);
  CHECK(contains(text, "level01 does not compile"));
  CHECK(contains(text, "say"));
}

TEST_CASE("a solution that does not pass its own tests is caught by walk") {
  const SampleWorkshop sample;
  sample.replace(kSolution, "std::puts(\"two\");", "std::puts(\"2\");");
  const std::string text = said(sample, check_walk);
  CHECK(contains(text, "walk-2: step 2 should pass"));
  CHECK(contains(text, "expected the word: two"));
}

TEST_CASE("a step whose test passes before the step is done is caught by walk") {
  const SampleWorkshop sample;
  sample.replace(kTests, "\"[step2]\", \"two\"", "\"[step2]\", \"one\"");
  CHECK(finds(sample, check_walk, "walk-1: none of the tests of step 2 fails"));
}

TEST_CASE("a step that no test notices is caught by mutants") {
  const SampleWorkshop sample;
  sample.replace(kTests, "\"[step2]\", \"two\"", "\"[step2]\", \"three\"");
  CHECK(finds(sample, check_mutants, "mutant-2: none of the tests of step 2 fails"));
}

TEST_CASE("a message that reads otherwise than it did is caught, and kept when the author says so") {
  const SampleWorkshop sample;
  const char* kept = "common/tests/golden/level01.step2.txt";
  sample.replace(kept, "expected the word: two", "expected: two");
  CHECK(finds(sample, check_mutants, "-    expected: two\n+    expected the word: two"));
  std::filesystem::remove(sample.folder() / "common/tests/golden/level01.step3.txt");
  CHECK(finds(sample, check_mutants, "level01.step3.txt is not there"));
  CHECK(sample.run("gate 1 --update").status == 0);
  CHECK(said(sample, check_mutants).empty());
  CHECK(contains(sample.read(kept), "expected the word: two"));
}

TEST_CASE("a learner's file is not judged as the skeleton, except where no skip is allowed") {
  const SampleWorkshop sample;
  std::filesystem::create_directories(sample.folder() / "build/skeletons");
  std::filesystem::copy_file(sample.folder() / kSkeleton, sample.folder() / "build/skeletons/level01.cpp");
  CHECK(sample.run("gate 1 --skeleton --unless-edited").status == 0);
  sample.replace(kSkeleton, "  //   puts(3)\n  // END(level01.1)",
                 "  std::puts(\"one\");\n  // END(level01.1)");
  const Output output = sample.run("gate 1 --skeleton --unless-edited");
  INFO(output.text);
  CHECK(output.status == 77);
  CHECK(contains(output.text, "is not the skeleton any more"));
  CHECK(sample.run("gate 1 --skeleton").status == 1);
}
