// hint, diff, solve and reset: a learner's way through a level, in which nothing that was typed is ever lost.

#include "common/runner/steps.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/text.hpp"
#include "common/tests/runner_samples.hpp"

using namespace workshop;
using workshop::testing::contains;

namespace {

const std::string kFile = "level01-words/level01.cpp";

/// As a learner would: a line of code in the block of step 1.
void write_step_one(const SampleWorkshop& sample, const std::string& code) {
  sample.replace(kFile, "  //   puts(3)\n  // END(level01.1)", code + "\n  // END(level01.1)");
}

/// A git repository with the sample in it, as one gets it with `git clone`.
void commit_everything(const SampleWorkshop& sample) {
  Command command{{"sh", "-c",
                   "git init -q . && git add . && git -c user.name=a -c user.email=a@b commit -qm \"$1\"",
                   "sh", "all"}};
  command.folder = sample.folder();
  REQUIRE(run(command) == 0);
}

/// A checkout without git: CMake has made its copy.
void keep_skeletons(const SampleWorkshop& sample) {
  std::filesystem::create_directories(sample.folder() / "build/skeletons");
  std::filesystem::copy_file(sample.folder() / kFile, sample.folder() / "build/skeletons/level01.cpp");
}

}  // namespace

TEST_CASE("each call of hint shows one more, and the last says where the solution is") {
  const SampleWorkshop sample;
  const std::string first = sample.run("hint 1 1").text, second = sample.run("hint 1 1").text,
                    third = sample.run("hint 1 1").text, fourth = sample.run("hint 1 1").text;
  INFO(first << second << third);
  CHECK((contains(first, "Hint 1: which call") && contains(first, "puts(3)") && !contains(first, "Hint 2:")));
  CHECK((contains(second, "Hint 2: the argument") && !contains(second, "Hint 3:")));
  CHECK((contains(third, "std::puts(\"...\");") && contains(third, "./workshop diff 1 1")));
  CHECK(fourth == third);
  CHECK(contains(sample.run("hint 1 2").text, "Hint 1 of 3"));
}

TEST_CASE("hint without a step is about the step that check would stop at") {
  const SampleWorkshop sample;
  write_step_one(sample, "  std::puts(\"one\");");
  const Output output = sample.run("hint");
  INFO(output.text);
  CHECK(output.status == 0);
  CHECK(contains(output.text, "Level 1, step 2: say two"));
}

TEST_CASE(
    "diff shows what the solution has instead, for the level or for one step, without colour in a pipe") {
  const SampleWorkshop sample;
  const Output level = sample.run("diff 1");
  INFO(level.text);
  CHECK(level.status == 0);
  CHECK((contains(level.text, "+  std::puts(\"one\");") && contains(level.text, "+  say_two();")));
  CHECK_FALSE(contains(level.text, "\033"));
  const Output step = sample.run("diff 1 1");
  INFO(step.text);
  CHECK((contains(step.text, "+  std::puts(\"one\");") && !contains(step.text, "+  say_two();")));
  const Output levels = sample.run("diff --levels 1 2");
  INFO(levels.text);
  CHECK(
      (contains(levels.text, "-  std::puts(\"one\");") && contains(levels.text, "+  std::puts(\"more\");")));
}

TEST_CASE("solve fills in the steps up to the one asked for, and check goes on behind it") {
  const SampleWorkshop sample;
  const Output output = sample.run("solve 1 2");
  INFO(output.text);
  CHECK(output.status == 0);
  CHECK((contains(sample.read(kFile), "std::puts(\"one\")") && contains(sample.read(kFile), "say_two();")));
  CHECK_FALSE(contains(sample.read(kFile), "three\""));
  CHECK(contains(sample.run("check 1").text, "Level 1 is done."));
}

TEST_CASE("what solve and reset replace can be had back, every version of it") {
  const SampleWorkshop sample;
  keep_skeletons(sample);
  const std::string skeleton = sample.read(kFile);
  write_step_one(sample, "  std::puts(\"eins\");  // my own");
  const std::string mine = sample.read(kFile);

  const Output solve = sample.run("solve 1");
  INFO(solve.text);
  CHECK(contains(solve.text, "cp 'level01-words/level01.cpp.~1~' 'level01-words/level01.cpp'"));
  CHECK(sample.read(kFile + ".~1~") == mine);
  const std::string solved = sample.read(kFile);
  CHECK(solved == sample.read("solutions/level01.cpp"));

  // The command as it is printed.
  const auto at = solve.text.find("  cp ");
  REQUIRE(at != std::string::npos);
  Command restore{{"sh", "-c", solve.text.substr(at, solve.text.find('\n', at) - at)}};
  restore.folder = sample.folder();
  CHECK(run(restore) == 0);
  CHECK(sample.read(kFile) == mine);
  sample.write(kFile, solved);

  CHECK(sample.run("reset 1").status == 0);
  CHECK(sample.read(kFile) == skeleton);
  CHECK(sample.read(kFile + ".~2~") == solved);
  CHECK(sample.read(kFile + ".~1~") == mine);

  CHECK(contains(sample.run("reset 1").text, "nothing to do"));
  CHECK_FALSE(std::filesystem::exists(sample.folder() / (kFile + ".~3~")));
}

TEST_CASE("reset of one step leaves the others, and what was written outside the blocks") {
  const SampleWorkshop sample;
  keep_skeletons(sample);
  sample.run("solve 1");
  sample.replace(kFile, "int main() {", "// mine\nint main() {");
  const Output output = sample.run("reset 1 1");
  INFO(output.text);
  CHECK(output.status == 0);
  const std::string text = sample.read(kFile);
  CHECK((contains(text, "TODO(level01.1)") && contains(text, "STEP(level01.2)") &&
         contains(text, "// mine\n")));
}

TEST_CASE("the skeleton is found in git's history, also when the learner has committed") {
  const SampleWorkshop sample;
  const std::string skeleton = sample.read(kFile);
  commit_everything(sample);
  write_step_one(sample, "  std::puts(\"one\");");
  commit_everything(sample);
  CHECK(sample.run("reset 1").status == 0);
  CHECK(sample.read(kFile) == skeleton);
}

TEST_CASE(
    "what the authors have improved in a skeleton's comments is part of it, also under a learner's commits") {
  const SampleWorkshop sample;
  commit_everything(sample);
  sample.replace(kFile, "  //   puts(3)\n  // END(level01.1)",
                 "  //   puts(3), said better\n  // END(level01.1)");
  const std::string skeleton = sample.read(kFile);
  commit_everything(sample);
  CHECK(sample.run("gate 1 --skeleton --unless-edited").status == 0);
  sample.replace(kFile, "  //   puts(3), said better\n",
                 "  //   puts(3), said better\n  std::puts(\"one\");\n");
  commit_everything(sample);
  CHECK(sample.run("gate 1 --skeleton --unless-edited").status == 77);
  CHECK(sample.run("reset 1").status == 0);
  CHECK(sample.read(kFile) == skeleton);
}

TEST_CASE("where the skeleton is nowhere to be found, reset says so and touches nothing") {
  const SampleWorkshop sample;
  write_step_one(sample, "  std::puts(\"one\");");
  const std::string mine = sample.read(kFile);
  const Output output = sample.run("reset 1");
  INFO(output.text);
  CHECK(output.status == 125);
  CHECK(sample.read(kFile) == mine);
}

TEST_CASE("a file whose markers are broken is not filled in, and reset still works on it") {
  const SampleWorkshop sample;
  keep_skeletons(sample);
  sample.replace(kFile, "  // END(level01.1)\n", "");
  const std::string mine = sample.read(kFile);
  const Output output = sample.run("solve 1");
  INFO(output.text);
  CHECK(output.status == 125);
  CHECK(contains(output.text, "./workshop reset 1"));
  CHECK(sample.read(kFile) == mine);
  CHECK(sample.run("reset 1").status == 0);
  CHECK(sample.read(kFile + ".~1~") == mine);
}

TEST_CASE("a level or a step that there is not is an error naming those there are") {
  const SampleWorkshop sample;
  for (const char* command : {"solve", "reset", "diff", "hint"}) {
    const Output output = sample.run(std::string(command) + " 1 9");
    INFO(output.text);
    CHECK(output.status == 125);
  }
  CHECK(contains(sample.run("solve 1 9").text, "its steps are 1, 2, 3"));
  CHECK(contains(sample.run("solve").text, "which level?"));
}

TEST_CASE("watch checks again at every save, also when the editor saves by renaming, and ends cleanly") {
  const SampleWorkshop sample;
  sample.write("script", R"sh(
    waits_for() { until grep -q "$1" out; do kill -0 $pid || exit 3; done; }
    build/bin/workshop watch 1 > out 2>&1 &
    pid=$!
    waits_for 'step 1, say one'
    sed 's|  //   puts(3)|  std::puts("one");|' level01-words/level01.cpp > level01-words/new
    mv level01-words/new level01-words/level01.cpp
    waits_for 'step 2, say two'
    cat solutions/level01.cpp > level01-words/level01.cpp
    waits_for 'Level 1 is done'
    echo 'nonsense' >> level01-words/level01.cpp
    waits_for 'does not compile'
    kill $pid
    wait $pid
  )sh");
  Command command{{"timeout", "60", "sh", "script"}};
  command.folder = sample.folder();
  command.with_errors = true;
  const Output output = capture(command);
  INFO(output.text << sample.read("out"));
  CHECK(output.status == 0);
}

TEST_CASE("every command of the help is there, and has help") {
  const SampleWorkshop sample;
  std::size_t commands = 0;
  for (const auto& line : split_lines(sample.read("common/runner/help.txt"))) {
    const std::string prefix = "  ./workshop ";
    if (line.rfind(prefix, 0) != 0 || line[prefix.size()] == ' ') continue;
    const std::string name = line.substr(prefix.size(), line.find(' ', prefix.size()) - prefix.size());
    INFO(name);
    const auto help = sample.run(name + " --help");
    INFO(help.text);
    CHECK(help.status == 0);
    CHECK(help.text.rfind("Usage: ./workshop ", 0) == 0);
    CHECK(help.text.find("\nExample") != std::string::npos);
    CHECK(sample.run("help " + name).text == help.text);
    ++commands;
  }
  CHECK(commands > 8);
}
