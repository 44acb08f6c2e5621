#include "common/runner/verdict.hpp"

#include <algorithm>
#include <optional>

#include "common/runner/build.hpp"
#include "common/runner/command.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr int kSkipped = 77;  // exit status of a test program

/// "[step2] ok    NAME", or nothing where the line is no test's.
std::optional<TestCase> parse_case(std::string line) {
  TestCase test;
  if (line.rfind("[step", 0) == 0) {
    const auto end = line.find("] ");
    if (end == std::string::npos || line.find_first_not_of("0123456789", 5) != end || end > 7 || end == 5)
      return std::nullopt;
    test.step = std::stoi(line.substr(5, end - 5));
    line.erase(0, end + 2);
  }
  static constexpr struct {
    const char* word;
    TestCase::Result result;
  } kResults[] = {{"ok    ", TestCase::Result::ok},
                  {"FAIL  ", TestCase::Result::failed},
                  {"skip  ", TestCase::Result::skipped}};
  for (const auto& [word, result] : kResults) {
    if (line.rfind(word, 0) != 0) continue;
    test.result = result;
    test.name = line.substr(6);
    const auto colon = test.name.find(": ");
    if (result == TestCase::Result::skipped && colon != std::string::npos) {
      test.reason = test.name.substr(colon + 2);
      test.name.erase(colon);
    }
    return test;
  }
  return std::nullopt;
}

StepVerdict::State state_of(const std::vector<TestCase>& cases) {
  const auto any = [&](TestCase::Result result) {
    return std::any_of(cases.begin(), cases.end(),
                       [&](const TestCase& test) { return test.result == result; });
  };
  if (any(TestCase::Result::failed)) return StepVerdict::State::open;
  if (any(TestCase::Result::ok)) return StepVerdict::State::done;
  return any(TestCase::Result::skipped) ? StepVerdict::State::skipped : StepVerdict::State::unknown;
}

/// The steps as the solution has them, with the lines where they are in the learner's file.
std::vector<StepVerdict> steps_of(const Level& level, std::string& trouble) {
  std::vector<StepVerdict> result;
  for (const auto& step : read_steps(level.solution).steps()) result.push_back({step, {}, {}});
  for (auto& verdict : result) verdict.step.line = 0;
  try {
    const StepFile file = read_steps(level.skeleton);
    for (auto& verdict : result) {
      if (const Block* block = file.block(verdict.step.number, 0)) verdict.step.line = block->first;
    }
  } catch (const std::runtime_error& error) {
    trouble =
        fmt::format("{}\nPut the line back, or start again with ./workshop reset {}: it keeps a backup.",
                    error.what(), level.number);
  }
  return result;
}

/// In the order in which a learner does them: an aborted run has nothing after the first failure.
void distribute(const TestRun& run, LevelVerdict& verdict) {
  for (const auto& test : run.cases) {
    const auto step = std::find_if(verdict.steps.begin(), verdict.steps.end(),
                                   [&](const StepVerdict& other) { return other.step.number == test.step; });
    if (step != verdict.steps.end()) {
      step->cases.push_back(test);
    } else if (test.result == TestCase::Result::failed) {
      verdict.general.push_back(test);
    }
  }
  for (auto& step : verdict.steps) step.state = state_of(step.cases);
}

/// A test program that ended badly, and not because a test failed.
std::string trouble_of(const TestRun& run, const Level& level) {
  const bool failed = std::any_of(run.cases.begin(), run.cases.end(), [](const TestCase& test) {
    return test.result == TestCase::Result::failed;
  });
  if (failed || run.status == 0 || run.status == kSkipped) return "";
  return fmt::format("the test program build/bin/{}_test did not get to its end (exit status {}).\n{}",
                     level.id, run.status, run.other);
}

}  // namespace

void take_line(TestRun& run, const std::string& line) {
  if (const auto test = parse_case(line)) {
    run.cases.push_back(*test);
  } else if (!run.cases.empty() && (line.rfind("  ", 0) == 0 || line.empty())) {
    run.cases.back().explanation += line + "\n";
  } else {
    run.other += line + "\n";
  }
}

TestRun run_tests(const Project& project, const Level& level, const std::filesystem::path& program,
                  const std::vector<std::string>& arguments,
                  const std::function<void(const TestCase&)>& on_case) {
  Command command{
      {project.build / "bin" / (level.id + "_test"), "--reporter", "workshop", "--order", "decl"}};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.environment = {{"WORKSHOP_PROGRAM", program}};
  TestRun run;
  run.status = run_by_line(command, [&](const std::string& line) {
    const auto before = run.cases.size();
    take_line(run, line);
    if (on_case && run.cases.size() > before) on_case(run.cases.back());
  });
  return run;
}

const StepVerdict* LevelVerdict::first_open() const {
  for (const bool bonus : {false, true}) {
    for (const auto& step : steps) {
      if (step.step.is_bonus == bonus && step.state != StepVerdict::State::done) return &step;
    }
  }
  return nullptr;
}

bool LevelVerdict::is_done() const {
  if (!compile_errors.empty() || !trouble.empty() || !general.empty() || steps.empty()) return false;
  const StepVerdict* open = first_open();
  return open == nullptr || open->step.is_bonus;
}

LevelVerdict judge(const Project& project, const Level& level, Extent extent) {
  LevelVerdict verdict;
  verdict.level = &level;
  verdict.steps = steps_of(level, verdict.trouble);
  const Build built = build(project, {level.id}, "Building " + level.id);
  (built.ok ? verdict.compile_warnings : verdict.compile_errors) = built.messages;
  if (!built.ok) return verdict;
  const Build tests = build(project, {level.id + "_test"}, "Building the tests of " + level.id);
  if (!tests.ok)
    throw std::runtime_error(fmt::format("the tests of {} do not compile:\n{}", level.id, tests.messages));

  Progress progress("Testing " + level.id);
  std::vector<std::string> arguments;
  if (extent == Extent::first_failure) arguments.emplace_back("--abort");
  const TestRun run =
      run_tests(project, level, project.build / "bin" / level.id, arguments,
                [&](const TestCase& test) { progress.show(fmt::format("step {}", test.step)); });
  distribute(run, verdict);
  if (verdict.trouble.empty()) verdict.trouble = trouble_of(run, level);
  return verdict;
}

}  // namespace workshop
