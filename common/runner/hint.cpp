// `./workshop hint [N [STEP]]`: the hints of a step, one more at each call. Their text is the chapter's.

#include <algorithm>
#include <cstdlib>

#include "common/runner/build.hpp"
#include "common/runner/chapter.hpp"
#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/runner/verdict.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// How many hints of a step have been shown: all that the runner remembers between two calls.
std::filesystem::path counter_of(const Project& project, const Level& level, int step) {
  return project.build / "hints" / fmt::format("{}.{}", level.id, step);
}

std::size_t shown_before(const std::filesystem::path& counter) {
  return std::filesystem::exists(counter) ? std::strtoul(read_file(counter).c_str(), nullptr, 10) : 0;
}

void remember(const Project& project, const std::filesystem::path& counter, std::size_t shown) {
  Command make_folder{{"mkdir", "-p", counter.parent_path()}};
  make_folder.user = owner_of(project);
  if (run(make_folder) != 0) throw std::runtime_error("cannot make " + counter.parent_path().string());
  write_file(project, counter, fmt::format("{}\n", shown));
}

const ChapterStep& section_of(const std::vector<ChapterStep>& sections, const Project& project,
                              const Level& level, int step) {
  for (const auto& section : sections) {
    if (section.number == step && !section.hints.empty()) return section;
  }
  throw std::runtime_error(
      fmt::format("{} has no hints for step {}: ./workshop diff {} {} shows the solution",
                  project.shown(level.chapter), step, level.number, step));
}

/// The step that check would stop at.
int open_step(const Project& project, const Level& level) {
  const LevelVerdict verdict = judge(project, level, Extent::first_failure);
  if (!verdict.compile_errors.empty()) {
    throw std::runtime_error(
        fmt::format("{} does not compile, so the step is not known: ./workshop hint {} STEP",
                    project.shown(level.skeleton), level.number));
  }
  const StepVerdict* open = verdict.first_open();
  if (open == nullptr) throw std::runtime_error(fmt::format("all steps of level {} are done", level.number));
  return open->step.number;
}

}  // namespace

int show_hint(const Arguments& arguments) {
  arguments.allow(2);
  const Project project = find_project();
  const Level& level =
      arguments.words.empty() ? *first_unfinished(project).level : project.level(arguments.words[0]);
  int step = step_argument(arguments, read_steps(level.solution), 0);
  if (step == 0) step = open_step(project, level);

  const auto sections = parse_chapter(read_file(level.chapter));
  const ChapterStep& section = section_of(sections, project, level, step);
  const auto counter = counter_of(project, level, step);
  const std::size_t shown = std::min(shown_before(counter) + 1, section.hints.size());
  remember(project, counter, shown);

  print(bold(fmt::format("Level {}, step {}: {}", level.number, step, section.title)) + "\n\n");
  for (std::size_t i = 0; i < shown; ++i) {
    print(fmt::format("{}\n{}\n", bold(section.hints[i].summary), indented(section.hints[i].text)));
  }
  const std::string level_and_step = fmt::format("{} {}", level.number, step);
  print(shown < section.hints.size() ? fmt::format("Hint {} of {}. One more: ./workshop hint {}\n", shown,
                                                   section.hints.size(), level_and_step)
                                     : fmt::format("That was the last hint. The solution: ./workshop diff "
                                                   "{0}; fill it in: ./workshop solve {0}\n",
                                                   level_and_step));
  return 0;
}

}  // namespace workshop
