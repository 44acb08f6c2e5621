#include "common/runner/variant.hpp"

#include <unistd.h>

#include "common/runner/build.hpp"
#include "common/runner/command.hpp"
#include "common/runner/steps.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

/// The word after the last `option` of a command, as ninja has it for the shell.
std::string word_after(const std::string& command, const std::string& option) {
  const auto from = command.rfind(" " + option + " ");
  if (from == std::string::npos) throw std::runtime_error("no " + option + " in: " + command);
  const auto begin = from + option.size() + 2;
  return command.substr(begin, command.find(' ', begin) - begin);
}

/// The last two of the commands that make a program of one file: compile it, link it.
std::pair<std::string, std::string> commands_of(const Project& project, const Level& level) {
  Command command{{"ninja", "-C", project.build, "-t", "commands", level.id}};
  const auto lines = split_lines(capture(command).text);
  const std::string source = "/" + level.id + ".cpp";
  std::string compile;
  for (const auto& line : lines) {
    const bool compiles = line.find(" -c ") != std::string::npos;
    if (compiles && line.find(source) != std::string::npos && line.find("/solutions/") == std::string::npos)
      compile = line;
  }
  if (compile.empty())
    throw std::runtime_error("the build does not say how it compiles " + level.id + ": is it ninja's?");
  return {compile, lines.back()};
}

void make_folder(const Project& project, const fs::path& folder) {
  // As the owner of the checkout also under sudo.
  Command command{{"mkdir", "-p", folder}};
  command.user = owner_of(project);
  if (run(command) != 0) throw std::runtime_error("cannot make " + folder.string());
}

}  // namespace

Variant build_variant(const Project& project, const Level& level, const std::string& name,
                      const std::string& text) {
  const fs::path folder = fs::path("gate") / level.id / name;  // below build, where the commands run
  make_folder(project, project.build / folder);
  write_file(project, project.build / folder / (level.id + ".cpp"), text);

  auto [compile, link] = commands_of(project, level);
  const std::string object = word_after(compile, "-o");
  const std::string ours = folder / (level.id + ".o");
  compile = replaced(compile.substr(0, compile.rfind(" -c ")), object, ours) + " -c " +
            (folder / (level.id + ".cpp")).string();
  link = replaced(replaced(link, object, ours), " -o bin/" + level.id + " ",
                  " -o " + (folder / level.id).string() + " ");

  Command command{{"sh", "-c", compile + " && " + link}};
  command.folder = project.build;
  command.user = owner_of(project);
  command.with_errors = true;
  const Output output = capture(command);
  return {project.build / folder / level.id, output.text, output.status == 0};
}

}  // namespace workshop
