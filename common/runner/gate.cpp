#include "common/runner/gate.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "common/runner/build.hpp"
#include "common/runner/chapter.hpp"
#include "common/runner/golden.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/runner/variant.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kHints = 3;

void add(Findings& findings, Findings more) {
  findings.defects.insert(findings.defects.end(), more.defects.begin(), more.defects.end());
  findings.skipped.insert(findings.skipped.end(), more.skipped.begin(), more.skipped.end());
}

// ---------------------------------------------------------------- files

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

// ---------------------------------------------------------------- programs

/// A program to build and judge.
struct Trial {
  std::string name;  ///< "walk-3"
  std::string text;
  std::function<bool(int)> must_pass, must_fail;
  std::vector<std::string> tests;  ///< Catch2's arguments: which tests to run, all of them if empty
  std::function<std::string(const TestRun&)> judge_text;  ///< what is wrong with what a learner reads
};

Findings judge_trial(const Project& project, const Level& level, const std::vector<Step>& steps,
                     const Trial& trial) {
  const std::string name = level.id + ", " + trial.name;
  const Variant variant = build_variant(project, level, trial.name, trial.text);
  Findings findings;
  if (!variant.messages.empty())
    findings.defects.push_back(fmt::format("{}: the compiler says\n{}", name, variant.messages));
  if (!variant.compiles) return findings;
  const TestRun run = run_tests(project, level, variant.program, trial.tests);
  add(findings, compare(name, steps, run, trial.must_pass, trial.must_fail));
  const std::string wrong = trial.judge_text ? trial.judge_text(run) : "";
  if (!wrong.empty()) findings.defects.push_back(name + ": " + wrong);
  return findings;
}

/// All of them, as many at once as there are processors. The findings are in the order of the trials.
Findings judge_trials(const Project& project, const Level& level, const std::vector<Step>& steps,
                      const std::vector<Trial>& trials) {
  const Build built = build(project, {level.id, level.id + "_test"}, "Building " + level.id);
  if (!built.ok) return {{fmt::format("{} does not compile:\n{}", level.id, built.messages)}, {}};
  std::vector<Findings> results(trials.size());
  std::atomic<std::size_t> next = 0, done = 0;
  std::mutex terminal;
  Progress progress("Judging " + level.id);
  const auto work = [&] {
    for (std::size_t i; (i = next++) < trials.size();) {
      results[i] = judge_trial(project, level, steps, trials[i]);
      const std::lock_guard lock(terminal);
      progress.show(fmt::format("{}/{}", ++done, trials.size()));
    }
  };
  std::vector<std::future<void>> workers;
  for (unsigned i = 0; i < std::max(1U, std::thread::hardware_concurrency()); ++i) {
    workers.push_back(std::async(std::launch::async, work));
  }
  for (auto& worker : workers) worker.get();
  Findings findings;
  for (const auto& result : results) add(findings, result);
  return findings;
}

Trial walk_to(int last, const StepFile& skeleton, const StepFile& solution) {
  const auto up_to = [last](int step) { return step <= last; };
  const auto beyond = [last](int step) { return step > last; };
  return {fmt::format("walk-{}", last), with_blocks_of(skeleton, solution, up_to), up_to, beyond, {}, {}};
}

/// Judged by its own step's tests: what the others make of the missing step is nobody's question, and some of
/// them would wait out a time limit.
Trial mutant_of(int number, const StepFile& skeleton, const StepFile& solution) {
  const auto is_it = [number](int step) { return step == number; };
  const auto nobody = [](int) { return false; };
  return {fmt::format("mutant-{}", number),
          with_blocks_of(solution, skeleton, is_it),
          nobody,
          is_it,
          {fmt::format("[step{}]", number)},
          {}};
}

/// `judge_text` says what is wrong with what a learner reads who lacks the step.
Findings judge_mutants(const Project& project, const Level& level,
                       const std::function<std::string(int step, const std::string& text)>& judge_text) {
  const StepFile skeleton = read_steps(level.skeleton), solution = read_steps(level.solution);
  std::vector<Trial> trials;
  for (const auto& step : solution.steps()) {
    trials.push_back(mutant_of(step.number, skeleton, solution));
    trials.back().judge_text = [&project, &judge_text, number = step.number](const TestRun& run) {
      const auto text = golden_text(project, run, number);
      return text ? judge_text(number, *text) : "";
    };
  }
  return judge_trials(project, level, solution.steps(), trials);
}

}  // namespace

Findings check_files(const Project& project, const Level& level) {
  Findings findings;
  try {
    const StepFile skeleton = read_steps(level.skeleton), solution = read_steps(level.solution);
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

Findings check_skeleton(const Project& project, const Level& level) {
  const StepFile skeleton = read_steps(level.skeleton), solution = read_steps(level.solution);
  return judge_trials(project, level, solution.steps(), {walk_to(0, skeleton, solution)});
}

Findings check_walk(const Project& project, const Level& level) {
  const StepFile skeleton = read_steps(level.skeleton), solution = read_steps(level.solution);
  std::vector<Trial> trials;
  for (const auto& step : solution.steps()) trials.push_back(walk_to(step.number, skeleton, solution));
  return judge_trials(project, level, solution.steps(), trials);
}

Findings check_mutants(const Project& project, const Level& level) {
  return judge_mutants(project, level, [&](int step, const std::string& text) {
    return compare_with_golden(project, level, step, text);
  });
}

Findings update_golden(const Project& project, const Level& level) {
  return judge_mutants(project, level, [&](int step, const std::string& text) {
    write_file(project, golden_file(project, level, step), text);
    return std::string();
  });
}

Findings compare(const std::string& name, const std::vector<Step>& steps, const TestRun& run,
                 const std::function<bool(int)>& must_pass, const std::function<bool(int)>& must_fail) {
  Findings findings;
  for (const auto& step : steps) {
    std::size_t failed = 0, skipped = 0;
    for (const auto& test : run.cases) {
      if (test.step != step.number) continue;
      failed += test.result == TestCase::Result::failed ? 1 : 0;
      skipped += test.result == TestCase::Result::skipped ? 1 : 0;
      if (test.result == TestCase::Result::skipped && (must_pass(step.number) || must_fail(step.number))) {
        findings.skipped.push_back(fmt::format("{}: {}: {}", name, test.name, test.reason));
      }
      if (test.result == TestCase::Result::failed && must_pass(step.number)) {
        findings.defects.push_back(
            fmt::format("{}: step {} should pass: {}\n{}", name, step.number, test.name, test.explanation));
      }
    }
    if (must_fail(step.number) && failed == 0 && skipped == 0) {
      findings.defects.push_back(
          fmt::format("{}: none of the tests of step {} fails, \"{}\"", name, step.number, step.title));
    }
  }
  if (run.cases.empty())
    findings.defects.push_back(
        fmt::format("{}: no test was run (exit status {})\n{}", name, run.status, run.other));
  return findings;
}

}  // namespace workshop
