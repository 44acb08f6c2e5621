#include "common/runner/pristine.hpp"

#include <algorithm>

#include "common/runner/build.hpp"
#include "common/runner/command.hpp"
#include "common/runner/steps.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

Output git(const Project& project, std::vector<std::string> arguments) {
  // Under sudo the checkout belongs to somebody else, which git would refuse (git-config(1), safe.directory).
  Command command{{"git", "-c", "safe.directory=*", "-C", project.source}};
  command.argv.insert(command.argv.end(), arguments.begin(), arguments.end());
  command.user = owner_of(project);
  command.with_errors = true;
  return capture(command);
}

/// Whether this is a skeleton that goes with the solution.
bool fits(const std::string& text, const StepFile& solution) {
  try {
    const StepFile file = parse_steps("", text);
    const auto is_open = [](const Block& block) { return block.is_todo; };
    return file.outline() == solution.outline() &&
           std::all_of(file.blocks.begin(), file.blocks.end(), is_open);
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::optional<std::string> from_git(const Project& project, const Level& level, const StepFile& solution) {
  if (!has_program("git")) return std::nullopt;
  const std::string path = std::filesystem::relative(level.skeleton, project.source);
  const Output commits = git(project, {"log", "--reverse", "--format=%H", "--", path});
  if (commits.status != 0) return std::nullopt;  // not a checkout of git's
  for (const auto& commit : split_lines(commits.text)) {
    const Output file = git(project, {"show", commit + ":" + path});
    if (file.status == 0 && fits(file.text, solution)) return file.text;
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> pristine_skeleton(const Project& project, const Level& level) {
  const StepFile solution = read_steps(level.solution);
  if (auto text = from_git(project, level, solution)) return text;
  const std::filesystem::path copy = project.build / "skeletons" / level.skeleton.filename();
  if (!std::filesystem::exists(copy)) return std::nullopt;
  std::string text = read_file(copy);
  if (!fits(text, solution)) return std::nullopt;
  return text;
}

bool is_edited(const Project& project, const Level& level) {
  const auto pristine = pristine_skeleton(project, level);
  return pristine && *pristine != read_file(level.skeleton);
}

}  // namespace workshop
