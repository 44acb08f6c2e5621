#include "common/runner/gate.hpp"

#include <atomic>
#include <future>
#include <mutex>
#include <optional>
#include <thread>

#include "common/runner/build.hpp"
#include "common/runner/golden.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/runner/variant.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

void add(Findings& findings, Findings more) {
  findings.defects.insert(findings.defects.end(), more.defects.begin(), more.defects.end());
  findings.skipped.insert(findings.skipped.end(), more.skipped.begin(), more.skipped.end());
}

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
