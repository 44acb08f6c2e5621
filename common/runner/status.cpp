// `./workshop`: the map. What is done is what passes; nothing is remembered.

#include "common/runner/build.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/terminal.hpp"
#include "common/runner/verdict.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

using State = StepVerdict::State;

/// All at once, which is faster the first time; what does not compile is told level by level afterwards.
void build_levels(const Project& project) {
  std::vector<std::string> targets = {"-k", "0"};
  for (const auto& level : project.levels) {
    targets.push_back(level.id);
    targets.push_back(level.id + "_test");
  }
  build(project, targets, "Building");
}

std::string mark(const StepVerdict& step, bool is_next) {
  if (step.state == State::done) return green("done ");
  if (is_next) return yellow("next ");
  return step.step.is_bonus ? faint("bonus") : "     ";
}

/// Behind the title: nothing where there is nothing to say.
std::string summary(const LevelVerdict& verdict) {
  if (!verdict.compile_errors.empty()) return red("  does not compile");
  if (verdict.is_done()) return green("  done");
  if (!verdict.trouble.empty()) return red("  cannot be judged");
  return "";
}

void print_level(const LevelVerdict& verdict, bool is_current) {
  print(fmt::format("{}{}\n", bold(verdict.level->title()), summary(verdict)));
  for (const auto& step : verdict.steps) {
    const bool is_next = is_current && verdict.compile_errors.empty() && &step == verdict.first_open();
    print(fmt::format("  {:>2}  {}  {}\n", step.step.number, mark(step, is_next), step.step.title));
  }
  print("\n");
}

void print_next(const Project& project, const LevelVerdict* current) {
  if (current == nullptr) {
    print("All levels are done. See what you have built: ./workshop demo\n");
    return;
  }
  const Level& level = *current->level;
  print(fmt::format("Read:   {}\nEdit:   {}\nThen:   ./workshop check {}\n", project.shown(level.chapter),
                    project.shown(level.skeleton), level.number));
}

}  // namespace

int show_status(const Arguments& arguments) {
  arguments.allow(1);
  const Project project = find_project();
  build_levels(project);
  std::vector<LevelVerdict> verdicts;
  const LevelVerdict* current = nullptr;
  verdicts.reserve(project.levels.size());  // `current` points into it
  for (const auto& level : project.levels) {
    verdicts.push_back(judge(project, level, Extent::first_failure));
    if (current == nullptr && !verdicts.back().is_done()) current = &verdicts.back();
  }
  for (const auto& verdict : verdicts) print_level(verdict, &verdict == current);
  print_next(project, current);
  return 0;
}

}  // namespace workshop
