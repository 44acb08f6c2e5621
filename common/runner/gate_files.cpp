#include <algorithm>
#include <set>

#include "common/runner/chapter.hpp"
#include "common/runner/gate.hpp"
#include "common/runner/steps.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kHints = 3;
constexpr std::size_t kFileLines = 300;     // one sitting
constexpr std::size_t kFunctionLines = 32;  // one screen

void check_length(const std::filesystem::path& path, Findings& findings) {
  const std::size_t lines = split_lines(read_file(path)).size();
  if (lines <= kFileLines) return;
  findings.defects.push_back(
      fmt::format("{}: {} lines; a level's file has {} at most", path.string(), lines, kFileLines));
}

/// A function begins and ends at the left margin: clang-format sees to that.
void check_functions(const std::filesystem::path& path, Findings& findings) {
  const auto lines = split_lines(read_file(path));
  std::size_t first = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const char begin = lines[i].empty() ? ' ' : lines[i][0];
    if (begin == '}' && i - first >= kFunctionLines) {
      findings.defects.push_back(fmt::format("{}:{}: a function of {} lines; {} fit on a screen",
                                             path.string(), first + 1, i - first + 1, kFunctionLines));
    }
    if (begin != ' ' && begin != '/' && begin != '#') first = i;
  }
}

/// The first line where the two outlines differ.
void check_outlines(const StepFile& skeleton, const StepFile& solution, Findings& findings) {
  const auto here = split_lines(skeleton.outline()), there = split_lines(solution.outline());
  for (std::size_t i = 0; i < std::max(here.size(), there.size()); ++i) {
    const std::string a = i < here.size() ? here[i] : "(end)", b = i < there.size() ? there[i] : "(end)";
    if (a == b) continue;
    findings.defects.push_back(
        fmt::format("{} and {} differ outside their blocks:\n  skeleton: {}\n  solution: {}",
                    skeleton.path.string(), solution.path.string(), a, b));
    return;
  }
}

void check_blocks(const StepFile& file, const Level& level, bool should_be_todo, Findings& findings) {
  for (const auto& block : file.blocks) {
    const std::string place = fmt::format("{}:{}", file.path.string(), block.first);
    if (block.id.rfind(level.id + ".", 0) != 0)
      findings.defects.push_back(place + ": a block of another level: " + block.id);
    if (block.title.empty()) findings.defects.push_back(place + ": the block has no title");
    if (block.is_todo != should_be_todo) {
      findings.defects.push_back(fmt::format("{}: this is the {}: its blocks begin with {}", place,
                                             should_be_todo ? "skeleton" : "solution",
                                             should_be_todo ? "TODO" : "STEP"));
    }
  }
}

void check_steps(const StepFile& skeleton, const StepFile& solution, Findings& findings) {
  const auto steps = solution.steps(), open = skeleton.steps();
  int expected = 1;
  for (const auto& step : steps) {
    if (step.number != expected++) {
      findings.defects.push_back(
          fmt::format("{}: the steps are not numbered 1, 2, 3: there is a step {} where {} should be",
                      solution.path.string(), step.number, expected - 1));
      break;
    }
  }
  for (std::size_t i = 0; i < std::min(steps.size(), open.size()); ++i) {
    if (steps[i].title != open[i].title || steps[i].is_bonus != open[i].is_bonus) {
      findings.defects.push_back(
          fmt::format("step {} has two titles: \"{}\" in the skeleton, \"{}\" in the solution",
                      steps[i].number, open[i].title, steps[i].title));
    }
  }
}

/// The steps that the test cases of a file are tagged with, in their order.
std::vector<int> tagged_steps(const std::string& tests) {
  std::vector<int> result;
  for (auto at = tests.find("\"[step"); at != std::string::npos; at = tests.find("\"[step", at + 1)) {
    result.push_back(std::atoi(tests.c_str() + at + 6));
  }
  return result;
}

void check_tests(const Level& level, const std::vector<Step>& steps, Findings& findings) {
  const auto tagged = tagged_steps(read_file(level.tests));
  for (const auto& step : steps) {
    if (std::find(tagged.begin(), tagged.end(), step.number) == tagged.end()) {
      findings.defects.push_back(fmt::format("{}: step {} has no test: none is tagged [step{}]",
                                             level.tests.string(), step.number, step.number));
    }
  }
  if (!std::is_sorted(tagged.begin(), tagged.end())) {
    findings.defects.push_back(
        level.tests.string() +
        ": the tests are not in the order of the steps: check stops at the first that fails");
  }
  for (const int number : std::set<int>(tagged.begin(), tagged.end())) {
    const bool known =
        std::any_of(steps.begin(), steps.end(), [&](const Step& step) { return step.number == number; });
    if (!known)
      findings.defects.push_back(
          fmt::format("{}: a test of step {}, which there is not", level.tests.string(), number));
  }
}

void check_chapter(const Level& level, const std::vector<Step>& steps, Findings& findings) {
  const std::string file = level.chapter.string();
  const auto sections = parse_chapter(read_file(level.chapter));
  std::vector<int> headings, numbers;
  for (const auto& section : sections) headings.push_back(section.number);
  for (const auto& step : steps) numbers.push_back(step.number);
  if (headings != numbers) {
    const auto list = [](const std::vector<int>& values) {
      std::string text;
      for (const int value : values) text += fmt::format(" {}", value);
      return text;
    };
    findings.defects.push_back(
        fmt::format("{}: headings \"### Step K: ...\" for the steps{}, where the level has{}", file,
                    list(headings), list(numbers)));
  }
  for (const auto& section : sections) {
    if (section.hints.size() != kHints) {
      findings.defects.push_back(fmt::format("{}:{}: step {} has {} hint(s), there should be {}", file,
                                             section.line, section.number, section.hints.size(), kHints));
    }
    for (const auto& hint : section.hints) {
      if (hint.text.empty())
        findings.defects.push_back(fmt::format("{}:{}: \"{}\" is empty", file, section.line, hint.summary));
    }
  }
}

void check_links(const Project& project, const Level& level, Findings& findings) {
  const std::string chapter = read_file(level.chapter);
  for (const auto& other : project.levels) {
    const std::string link = "../" + other.folder.filename().string() + "/";
    const bool is_neighbour = std::abs(other.number - level.number) == 1;
    if (is_neighbour && chapter.find("(" + link) == std::string::npos) {
      findings.defects.push_back(fmt::format("{}: no link to {}README.md", level.chapter.string(), link));
    }
  }
}

}  // namespace

Findings check_files(const Project& project, const Level& level) {
  Findings findings;
  try {
    const StepFile skeleton = read_steps(level.skeleton), solution = read_steps(level.solution);
    for (const auto& file : {level.skeleton, level.solution, level.tests}) check_length(file, findings);
    for (const auto& file : {level.skeleton, level.solution}) check_functions(file, findings);
    check_outlines(skeleton, solution, findings);
    check_blocks(skeleton, level, true, findings);
    check_blocks(solution, level, false, findings);
    check_steps(skeleton, solution, findings);
    check_tests(level, solution.steps(), findings);
    check_chapter(level, solution.steps(), findings);
    check_links(project, level, findings);
  } catch (const std::exception& error) {
    findings.defects.emplace_back(error.what());  // a file is missing, or its markers do not pair up
  }
  return findings;
}

}  // namespace workshop
