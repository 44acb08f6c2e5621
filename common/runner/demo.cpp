// `./workshop demo [-- COMMAND]`: the finished container, as far as the workshop has been written.

#include <unistd.h>

#include <optional>

#include "common/runner/build.hpp"
#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr int kLastLevelAsRoot = 2;  // from level 3 on an ordinary user will do

/// A stop of the tour: something to look at, from outside and from inside.
struct Stop {
  const char* title;
  const char* outside;  ///< shell command on the host
  const char* inside;   ///< shell command in the container
  const char* remark;
};

constexpr Stop kTour[] = {
    {"Who am I?", "id -un", "id -un", "Nobody special: the container's /etc/passwd answers."},
    {"What is this machine called?", "hostname", "hostname container && hostname",
     "Renamed inside, in a UTS namespace of its own. Outside the name is what it was."},
    {"Which processes are there?", "ls -d /proc/[0-9]* | wc -l", "ps",
     "Outside that many; inside the first process is number 1, and there are no others."},
    {"What is mounted?", "wc -l < /proc/self/mounts", "cat /proc/self/mounts",
     "A mount namespace of its own: none of these lines is on the host, and they end with the container."},
    {"What is in the root directory?", "ls -x /", "ls -x /",
     "Another root file system, unpacked from an image."},
    {"What does it look like to programs?", "head -n 1 /etc/os-release", "busybox | head -n 1",
     "Nothing of the host's distribution is left: only its kernel."},
};

const Level& highest_solved(const Project& project) {
  const Level* result = nullptr;
  for (const auto& level : project.levels) {
    if (std::filesystem::exists(level.solution)) result = &level;
  }
  if (result == nullptr) throw std::runtime_error("there is no finished level in solutions/ to show");
  return *result;
}

struct Demo {
  std::vector<std::string> container;  ///< "sudo build/bin/solutions/level02 run --"
  std::string typed;                   ///< the same as one would type it
};

Demo make_demo(const Project& project, const Level& level) {
  const std::filesystem::path program = project.build / "bin/solutions" / level.id;
  Demo demo;
  if (level.number <= kLastLevelAsRoot && ::geteuid() != 0) {
    if (!has_program("sudo")) {
      throw std::runtime_error(fmt::format(
          "level {} needs root, and there is no sudo: run ./workshop demo as root", level.number));
    }
    demo.container.emplace_back("sudo");
    demo.typed = "sudo ";
  }
  demo.container.insert(demo.container.end(), {program, "run", "--"});
  demo.typed += project.shown(program) + " run --";
  return demo;
}

void print_indented(const std::string& text) {
  for (const auto& line : split_lines(text)) print("    " + line + "\n");
}

/// Runs one side of a stop and prints what was typed and what came back. False when it failed.
bool show(const std::string& typed, const std::vector<std::string>& argv) {
  print("  " + bold("$ " + typed) + "\n");
  const Output output = capture({argv});
  print_indented(output.text);
  if (output.status != 0) print(red(fmt::format("    exit status {}\n", output.status)));
  return output.status == 0;
}

bool show_stop(const Stop& stop, const Demo& demo) {
  print(bold(stop.title) + "\n");
  bool ok = show(stop.outside, {"sh", "-c", stop.outside});
  std::vector<std::string> argv = demo.container;
  argv.insert(argv.end(), {"sh", "-c", stop.inside});
  ok = show(fmt::format("{} sh -c '{}'", demo.typed, stop.inside), argv) && ok;
  print("  " + faint(stop.remark) + "\n\n");
  return ok;
}

int show_tour(const Demo& demo, const Level& level) {
  print(
      fmt::format("The finished level {}: a container, made by a program of one page.\n"
                  "Each question is asked outside first, then inside.\n\n",
                  level.number));
  bool ok = true;
  for (const auto& stop : kTour) ok = show_stop(stop, demo) && ok;
  if (!ok)
    throw std::runtime_error("the tour did not go as it should: the commands with an exit status are above");
  print("Go in yourself:  ./workshop demo -- sh\nBuild your own:  ./workshop\n");
  return 0;
}

}  // namespace

int show_demo(const Arguments& arguments) {
  arguments.allow(0);
  const Project project = find_project();
  const Level& level = highest_solved(project);
  const Build built = build(project, {level.id + "_solution", "image"}, "Building");
  if (!built.ok) throw std::runtime_error("the solution does not compile:\n" + built.messages);
  const Demo demo = make_demo(project, level);
  if (arguments.command.empty()) return show_tour(demo, level);
  Command command{demo.container};
  command.argv.insert(command.argv.end(), arguments.command.begin(), arguments.command.end());
  return run(command);
}

}  // namespace workshop
