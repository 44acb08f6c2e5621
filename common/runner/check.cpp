// `./workshop check [N]`: one level, step by step, up to the first that is not done.

#include "common/runner/commands.hpp"
#include "common/runner/progress_report.hpp"
#include "common/runner/project.hpp"
#include "common/runner/terminal.hpp"
#include "common/runner/verdict.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

using State = StepVerdict::State;

std::string mark(const StepVerdict& step) {
  switch (step.state) {
    case State::done:
      return green("done   ");
    case State::open:
      return yellow(step.step.is_bonus ? "bonus  " : "to do  ");
    case State::skipped:
      return yellow("skipped");
    case State::unknown:
      break;
  }
  return faint(step.step.is_bonus ? "bonus  " : "       ");
}

void print_steps(const LevelVerdict& verdict) {
  print(bold(verdict.level->title()) + "\n\n");
  for (const auto& step : verdict.steps) {
    print(fmt::format("  {:>2}  {}  {}\n", step.step.number, mark(step), step.step.title));
  }
  print("\n");
}

std::string place(const Project& project, const Level& level, const Step& step) {
  const std::string file = project.shown(level.skeleton);
  return step.line == 0 ? file : fmt::format("{}:{}", file, step.line);
}

/// Tests run the whole program: one whose later step goes wrong fails the first step's tests, too.
bool ended_early(const TestCase& test) {
  const auto says = [&](const char* text) { return test.explanation.find(text) != std::string::npos; };
  return says("exit status 125\n") || says("it crashed") || says("was stopped");
}

void print_failure(const TestCase& test) {
  print(fmt::format("  {}: {}\n{}\n", red("not yet"), test.name, test.explanation));
  if (!ended_early(test)) return;
  print(
      "  The program did not get as far as the command. If you have begun a later step, look there as "
      "well.\n\n");
}

void print_skips(const StepVerdict& step) {
  for (const auto& test : step.cases) {
    if (test.result == TestCase::Result::skipped) {
      print(fmt::format("  {}: {}\n    {}\n", yellow("skipped"), test.name, test.reason));
    }
  }
}

/// The step that is next: where it is, what was expected and seen, what helps.
void print_open_step(const Project& project, const LevelVerdict& verdict, const StepVerdict& open) {
  const Level& level = *verdict.level;
  print(fmt::format("{}: {}step {}, {}\n\n", bold(place(project, level, open.step)),
                    open.step.is_bonus ? "bonus " : "", open.step.number, open.step.title));
  for (const auto& test : open.cases) {
    if (test.result == TestCase::Result::failed) print_failure(test);
  }
  print_skips(open);
  if (open.state == State::skipped) {
    print(fmt::format("\nThe step cannot be judged here. Where it can be: ./workshop check {}\n",
                      level.number));
    return;
  }
  print(fmt::format("Stuck? ./workshop hint {} {}    Why and how: {}, step {}\n", level.number,
                    open.step.number, project.shown(level.chapter), open.step.number));
}

void print_compile_errors(const Project& project, const LevelVerdict& verdict) {
  print(verdict.compile_errors);
  print(
      fmt::format("\n{} does not compile: the first error above is the one to mend.\n"
                  "Then: ./workshop check {}\n",
                  bold(project.shown(verdict.level->skeleton)), verdict.level->number));
}

void print_all_done(const Project& project, const Level& level) {
  print(green(fmt::format("Level {} is done.", level.number)) + "\n");
  for (const auto& next : project.levels) {
    if (next.number != level.number + 1) continue;
    print(fmt::format("Next: {}, in {}. Then ./workshop check {}\n", next.title(),
                      project.shown(next.chapter), next.number));
    return;
  }
  print("That was the last one. See what it can do: ./workshop demo\n");
}

std::vector<LevelVerdict> judge_all(const Project& project) {
  std::vector<LevelVerdict> verdicts;
  for (const auto& level : project.levels) verdicts.push_back(judge(project, level, Extent::everything));
  return verdicts;
}

/// `--all`: each level to its end; with `--json`, as a document for a program to read.
int check_levels(const Project& project, const std::vector<LevelVerdict>& verdicts, bool json) {
  if (json) print(to_json(project, verdicts));
  bool done = true;
  for (const auto& verdict : verdicts) {
    done = done && verdict.is_done();
    if (json) continue;
    if (verdict.compile_errors.empty()) {
      print_steps(verdict);
    } else {
      print_compile_errors(project, verdict);
    }
  }
  return done ? 0 : 1;
}

}  // namespace

void print_verdict(const Project& project, const LevelVerdict& verdict) {
  if (!verdict.compile_errors.empty()) return print_compile_errors(project, verdict);
  print(verdict.compile_warnings);
  print_steps(verdict);
  for (const auto& test : verdict.general) print_failure(test);
  if (!verdict.trouble.empty()) print(yellow("Note: ") + verdict.trouble + "\n");
  if (verdict.is_done()) print_all_done(project, *verdict.level);
  const StepVerdict* open = verdict.first_open();
  if (open != nullptr && verdict.general.empty()) print_open_step(project, verdict, *open);
}

LevelVerdict first_unfinished(const Project& project) {
  LevelVerdict verdict;
  for (const auto& level : project.levels) {
    verdict = judge(project, level, Extent::first_failure);
    if (!verdict.is_done()) break;
  }
  return verdict;
}

int check_level(const Arguments& arguments) {
  arguments.allow(1, {"--all", "--json"});
  const bool all = arguments.has("--all"), json = arguments.has("--json");
  if (all && !arguments.words.empty()) throw UsageError("a level, or --all: not both");
  const Project project = find_project();
  if (project.levels.empty()) throw std::runtime_error("there are no levels in " + project.source.string());
  if (all) return check_levels(project, judge_all(project), json);
  const LevelVerdict verdict = arguments.words.empty()
                                   ? first_unfinished(project)
                                   : judge(project, project.level(arguments.words[0]), Extent::first_failure);
  if (json) return check_levels(project, {verdict}, json);
  print_verdict(project, verdict);
  return verdict.is_done() ? 0 : 1;
}

}  // namespace workshop
