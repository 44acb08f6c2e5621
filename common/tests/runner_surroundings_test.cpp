// Where the runner's output goes, and who calls it: a pipe, a terminal of 80 columns, NO_COLOR, sudo.

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <regex>
#include <set>

#include "common/runner/steps.hpp"
#include "common/sys/user.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"
#include "common/tests/runner_samples.hpp"

using namespace workshop;
using workshop::testing::contains;

namespace {

struct Row {
  const char* arguments;
  int status;
};

/// Commands that show something, in an order in which they can follow each other.
constexpr Row kCommands[] = {
    {"", 0},
    {"check 1", 1},
    {"check --all", 1},
    {"check --all --json", 1},
    {"hint 1", 0},
    {"hint 2 1", 0},
    {"diff 1", 0},
    {"diff 1 2", 0},
    {"diff --levels 1 2", 0},
    {"solve 1 1", 0},
    {"check 1", 1},
    {"solve 1", 0},
    {"solve 1", 0},
    {"check 1", 0},
    {"reset 1 2", 0},
    {"reset 1", 0},
    {"gate --files", 0},
    {"room .", 0},
    {"help", 0},
    {"help watch", 0},
    {"check --help", 0},
    {"completion bash", 0},
    {"chekc", 125},
    {"check 9", 125},
    {"solve 1 9", 125},
    {"cleanup nowhere", 125},
};

/// A sample as CMake leaves it: with its copy of the skeletons.
struct Checkout : SampleWorkshop {
  Checkout() {
    std::filesystem::create_directories(folder() / "build/skeletons");
    for (const char* level : {"level01-words/level01.cpp", "level02-more/level02.cpp"}) {
      std::filesystem::copy(folder() / level, folder() / "build/skeletons");
    }
  }
};

/// What `command` shows on a terminal of 80 columns (script(1)), and its exit status.
Output on_terminal(const SampleWorkshop& sample, const std::string& command) {
  workshop::Command script{
      {"script", "--quiet", "--return", "--command", "stty cols 80 rows 24; " + command, "/dev/null"}};
  script.folder = sample.folder();
  script.environment = {{"TERM", "xterm"}, {"PAGER", "cat"}};
  script.with_errors = true;
  Output output = capture(script);
  output.text.erase(std::remove(output.text.begin(), output.text.end(), '\r'), output.text.end());
  return output;
}

const std::regex kColour("\033\\[[0-9;]*m");

/// Without colours, and without progress lines, which are erased again.
std::string plain(const std::string& text) {
  static const std::regex kProgress("\033\\[K[^\n\033]*(?=\033\\[K)|\033\\[K");
  return std::regex_replace(std::regex_replace(text, kProgress, ""), kColour, "");
}

/// The characters on the screen: a character of UTF-8 may have several bytes.
std::size_t width(const std::string& line) {
  return static_cast<std::size_t>(
      std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string control_characters(const std::string& text) {
  std::string found;
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' && c != '\n' && c != '\t') found += std::to_string(int{c}) + " ";
  }
  return found;
}

}  // namespace

TEST_CASE("in a pipe every command writes plain text") {
  const Checkout sample;
  for (const auto& [arguments, status] : kCommands) {
    const Output output = sample.run(arguments);
    INFO("./workshop " << arguments << "\n" << output.text);
    CHECK(output.status == status);
    CHECK(control_characters(output.text).empty());
    CHECK(!output.text.empty());
  }
}

TEST_CASE("a terminal of 80 columns is wide enough") {
  const Checkout sample;
  for (const auto& [arguments, status] : kCommands) {
    const Output output = on_terminal(sample, std::string("build/bin/workshop ") + arguments);
    INFO("./workshop " << arguments << "\n" << plain(output.text));
    CHECK(output.status == status);
    const bool is_file =
        contains(arguments, "diff") || contains(arguments, "json") || contains(arguments, "completion");
    for (const auto& line : split_lines(plain(output.text))) {
      INFO(line);
      CHECK((width(line) <= 80 || is_file));
    }
  }
}

TEST_CASE("colours come on a terminal, and NO_COLOR takes nothing else away") {
  const Checkout sample;
  const char* colourful[] = {"check 1", "", "diff 1", "gate --files"};
  for (const std::string command : colourful) {
    const std::string run = "build/bin/workshop " + command;
    const Output with = on_terminal(sample, run), without = on_terminal(sample, "NO_COLOR=1 " + run);
    INFO(run << "\n" << with.text << "\n" << without.text);
    CHECK(contains(with.text, "\033["));
    CHECK(!std::regex_search(without.text, kColour));
    CHECK(plain(with.text) == plain(without.text));
  }
}

TEST_CASE("the diff of a terminal goes through the pager") {
  const Checkout sample;
  const Output paged = on_terminal(sample, "PAGER='sed s/^/paged:/' build/bin/workshop diff 1");
  INFO(paged.text);
  CHECK(contains(paged.text, "paged:"));
  const Output piped = sample.run("diff 1 | PAGER='sed s/^/paged:/' cat");
  CHECK(!contains(piped.text, "paged:"));
}

TEST_CASE("under sudo, what is written into a learner's tree is the learner's") {
  if (::geteuid() != 0) WORKSHOP_SKIP("needs root");
  const auto learner = ordinary_user();
  if (!learner) WORKSHOP_SKIP("needs an ordinary user: sudo ./workshop setup test makes one");
  const Checkout sample;
  // Reached through folders that the learner may enter, as a home is.
  const std::string owner = learner->name + ":";
  REQUIRE(run({{"chmod", "755", sample.folder().parent_path()}}) == 0);
  REQUIRE(run({{"chown", "-R", owner, sample.folder()}}) == 0);
  for (const auto& [arguments, status] : kCommands) {
    const Output output = sample.run(arguments);
    INFO("./workshop " << arguments << "\n" << output.text);
    CHECK(output.status == status);
  }
  const Output roots = capture({{"find", sample.folder(), "-user", "root"}, {}, {}, true});
  CHECK(roots.text.empty());
  CHECK(
      contains(capture({{"find", sample.folder(), "-name", "*.~*"}, {}, {}, true}).text, "level01.cpp.~1~"));
}
