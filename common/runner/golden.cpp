#include "common/runner/golden.hpp"

#include <algorithm>
#include <regex>

#include "common/runner/command.hpp"
#include "common/runner/steps.hpp"
#include "common/sys/error.hpp"
#include "common/sys/user.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

/// What differs from run to run, or from machine to machine, and what stands for it.
std::string normal(const Project& project, std::string line) {
  static const std::pair<std::regex, const char*> kVariable[] = {
      {std::regex("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"},
      {std::regex("workshop-test-\\w{6}"), "SCRATCH"},
      {std::regex("(_test\\.cpp):\\d+"), "$1:LINE"},
      {std::regex("\\b(pid|process|PID|level\\d\\d:) \\d+"), "$1 N"},
      {std::regex("\\b\\d{4,}\\b"), "N"},
  };
  line = replaced(line, project.source.string() + "/", "");
  if (const auto user = ordinary_user()) {
    line = std::regex_replace(line, std::regex("\\b" + user->name + "\\b(?![:-])"), "USER");
    line = std::regex_replace(line, std::regex("\\b" + std::to_string(user->uid) + "\\b"), "ID");
    line = std::regex_replace(line, std::regex("\\b" + std::to_string(user->gid) + "\\b"), "ID");
  }
  for (const auto& [pattern, name] : kVariable) line = std::regex_replace(line, pattern, name);
  return line;
}

/// Without what other programs wrote: "standard output:" and what follows it, up to the hint.
std::vector<std::string> without_output(const std::vector<std::string>& lines, const std::string& program) {
  std::vector<std::string> result;
  bool in_output = false;
  for (const auto& line : lines) {
    const std::string text = line.substr(std::min(line.find_first_not_of(' '), line.size()));
    const bool begins = text == "standard output:" || text == "standard error:";
    const bool ends = text.rfind("look at: ", 0) == 0 || text.rfind("tested at ", 0) == 0;
    if (begins || ends) in_output = begins;
    if (begins || !in_output || text.rfind(program + ": ", 0) == 0) result.push_back(line);
  }
  return result;
}

std::string level_of(const TestRun& run) {
  for (const auto& test : run.cases) {
    const auto at = test.explanation.find("tested at level");
    if (at != std::string::npos) return test.explanation.substr(at + 10, 7);
  }
  return "level";
}

}  // namespace

fs::path golden_file(const Project& project, const Level& level, int step) {
  return project.source / "common/tests/golden" / fmt::format("{}.step{}.txt", level.id, step);
}

std::optional<std::string> golden_text(const Project& project, const TestRun& run, int step) {
  std::string text;
  const std::string program = level_of(run);
  for (const auto& test : run.cases) {
    if (test.step != step) continue;
    if (test.result == TestCase::Result::skipped) return std::nullopt;
    if (test.result != TestCase::Result::failed) continue;
    text += test.name + "\n";
    for (const auto& line : without_output(split_lines(test.explanation), program)) {
      text += normal(project, line) + "\n";
    }
  }
  return text;
}

std::string compare_with_golden(const Project& project, const Level& level, int step,
                                const std::string& text) {
  const fs::path file = golden_file(project, level, step);
  const std::string update = fmt::format("\nIf it reads well: ./workshop gate {} --update", level.number);
  if (!fs::exists(file))
    return fmt::format("{} is not there; the message is\n{}{}", file.string(), text, update);
  if (read_file(file) == text) return "";
  const Output difference =
      capture({{"sh", "-c", "printf %s \"$1\" | diff -u --label kept --label now \"$0\" -", file, text}});
  return fmt::format("what a learner reads has changed:\n{}{}", difference.text, update);
}

}  // namespace workshop
