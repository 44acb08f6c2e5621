// `./workshop diff N [STEP]` and `./workshop diff --levels A B`.

#include <cstdlib>

#include "common/runner/build.hpp"
#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

struct Side {
  std::string label;
  std::string text;
};

/// diff(1) with colour and a pager on a terminal, a plain unified diff elsewhere.
int show_diff(const Project& project, const Side& from, const Side& to) {
  if (from.text == to.text) {
    print(fmt::format("No difference between {} and {}.\n", from.label, to.label));
    return 0;
  }
  const auto files = {project.build / "diff.from", project.build / "diff.to"};
  write_file(project, *files.begin(), from.text);
  write_file(project, *(files.begin() + 1), to.text);
  const std::string colour = is_colourful() ? "always" : "never";
  const std::vector<std::string> diff = {"diff",    "-u",           "--color=" + colour,
                                         "--label", from.label,     "--label",
                                         to.label,  *files.begin(), *(files.begin() + 1)};
  // As git does it: $PAGER, else less, which ends at once where all fits on the screen, and keeps the
  // colours.
  const bool pages = on_terminal() && (std::getenv("PAGER") != nullptr || has_program("less"));
  Command command{pages ? std::vector<std::string>{"sh", "-c", "\"$@\" | ${PAGER:-less}", "sh"}
                        : std::vector<std::string>{}};
  if (std::getenv("LESS") == nullptr) command.environment = {{"LESS", "FRX"}};
  command.argv.insert(command.argv.end(), diff.begin(), diff.end());
  const int status = run(command);
  for (const auto& file : files) std::filesystem::remove(file);
  return status > 1 ? status : 0;  // 1: they differ, which is why we are here
}

}  // namespace

int diff_level(const Arguments& arguments) {
  arguments.allow(2, {"--levels"});
  const Project project = find_project();
  if (arguments.has("--levels")) {
    if (arguments.words.size() != 2) throw UsageError("which two levels? ./workshop diff --levels 1 2");
    const Level &a = project.level(arguments.words[0]), &b = project.level(arguments.words[1]);
    return show_diff(project, {project.shown(a.solution), read_file(a.solution)},
                     {project.shown(b.solution), read_file(b.solution)});
  }
  const Level& level = level_argument(arguments, project);
  const StepFile solution = read_steps(level.solution);
  const int only = step_argument(arguments, solution, 0);
  const Side mine{project.shown(level.skeleton), read_file(level.skeleton)};
  Side theirs{project.shown(level.solution), read_file(level.solution)};
  if (only != 0) {
    theirs.text =
        with_blocks_of(read_steps(level.skeleton), solution, [only](int step) { return step == only; });
    theirs.label += fmt::format(" (step {})", only);
  }
  return show_diff(project, mine, theirs);
}

}  // namespace workshop
