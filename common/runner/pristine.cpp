#include "common/runner/pristine.hpp"

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

/// A skeleton's text without the comments in its blocks: what authors improve there does not make it another
/// skeleton, and what a learner does is not only comments. Nothing where the text is no skeleton of this
/// solution.
std::optional<std::string> code_of(const std::string& text, const StepFile& solution) {
  try {
    const StepFile file = parse_steps("", text);
    if (file.outline() != solution.outline()) return std::nullopt;
    std::string code;
    for (const auto& block : file.blocks) {
      if (!block.is_todo) return std::nullopt;
      code += block.id + "\n";
      for (const auto& line : file.text_of(block)) {
        const auto first = line.find_first_not_of(" \t");
        if (first != std::string::npos && line.compare(first, 2, "//") != 0) code += line + "\n";
      }
    }
    return code;
  } catch (const std::runtime_error&) {
    return std::nullopt;  // its markers do not pair up
  }
}

/// The file's versions in git's history, oldest first; none where there is no git, or no repository.
std::vector<std::string> versions_in_git(const Project& project, const Level& level) {
  if (!has_program("git")) return {};
  const std::string path = std::filesystem::relative(level.skeleton, project.source);
  const Output commits = git(project, {"log", "--reverse", "--format=%H", "--", path});
  if (commits.status != 0) return {};
  std::vector<std::string> versions;
  for (const auto& commit : split_lines(commits.text)) {
    const Output file = git(project, {"show", commit + ":" + path});
    if (file.status == 0) versions.push_back(file.text);
  }
  return versions;
}

std::optional<std::string> from_git(const Project& project, const Level& level, const StepFile& solution) {
  std::optional<std::string> first_code, newest;
  for (const auto& text : versions_in_git(project, level)) {
    const auto code = code_of(text, solution);
    if (!first_code) first_code = code;
    if (code && code == first_code) newest = text;
  }
  return newest;
}

}  // namespace

std::optional<std::string> pristine_skeleton(const Project& project, const Level& level) {
  const StepFile solution = read_steps(level.solution);
  if (auto text = from_git(project, level, solution)) return text;
  const std::filesystem::path copy = project.build / "skeletons" / level.skeleton.filename();
  if (!std::filesystem::exists(copy)) return std::nullopt;
  std::string text = read_file(copy);
  if (!code_of(text, solution)) return std::nullopt;
  return text;
}

bool is_edited(const Project& project, const Level& level) {
  const auto pristine = pristine_skeleton(project, level);
  if (!pristine) return false;
  const StepFile solution = read_steps(level.solution);
  return code_of(read_file(level.skeleton), solution) != code_of(*pristine, solution);
}

}  // namespace workshop
