// `./workshop demo [-- COMMAND]`: the finished container: a tour of it, or a command in it.

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iterator>
#include <optional>

#include "common/runner/build.hpp"
#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"
#include "common/sys/tree.hpp"
#include "common/sys/user.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

/// A stop of the tour: something to look at, from outside and from inside.
struct Stop {
  const char* title;
  const char* outside;  ///< shell command on the host
  const char* inside;   ///< shell command in the container
  const char* remark;
};

constexpr Stop kTourAsRoot[] = {
    {"Who am I?", "id -un", "id -un", "Root in here is still root of the machine. Level 3 changes that."},
    {"What is this machine called?", "hostname", "hostname container && hostname",
     "Renamed inside, in a UTS namespace of its own. Outside the name is what it was."},
    {"Which processes are there?", "ls -d /proc/[0-9]* | wc -l", "ps",
     "Outside that many. Inside, the first process is number 1, and there are no others."},
    {"What is mounted?", "wc -l < /proc/self/mounts", "cut -d ' ' -f 1-3 /proc/self/mounts",
     "A mount namespace of its own: what is mounted inside ends with the container."},
    {"What is in the root directory?", "ls -x /", "ls -x /",
     "Another root file system, unpacked from an image."},
};

constexpr Stop kTourAsUser[] = {
    {"Who am I?", "id -un", "id -un && cat /proc/self/uid_map",
     "Root, but in here only. The map has an id inside, the id outside that it stands for, and how many "
     "follow: to "
     "the machine, this root is one of the user's subordinate ids."},
    {"What is this machine called?", "hostname", "hostname",
     "A UTS namespace of its own: outside, the name is what it was."},
    {"Which processes are there?", "ls -d /proc/[0-9]* | wc -l", "ps",
     "Outside that many. Inside, the first process is number 1, and there are no others."},
    {"What is mounted?", "wc -l < /proc/self/mounts", "cut -d ' ' -f 1-3 /proc/self/mounts | head -n 12",
     "A mount namespace of its own: what is mounted inside ends with the container. The devices are the "
     "host's, one by "
     "one."},
    {"What is in the root directory?", "ls -x /", "ls -x / && ls -ln /etc/shadow",
     "Another root file system, unpacked from an image, with owners of its own: group 42 is `shadow`."},
    {"What can I not do?", "ls -l /dev/null", "mknod /disk b 8 0; date -s 2000-01-01 2>&1 | head -n 1; true",
     "This root rules over what belongs to its user namespace. The machine's disks and its clock do not."},
};

// ---------------------------------------------------------------- who and where

/// A folder in /tmp for root file system, store and home of one demo; gone at the end.
class Scratch {
 public:
  Scratch() : path_(fs::temp_directory_path() / "workshop-demo-XXXXXX") {
    if (::mkdtemp(path_.data()) == nullptr) throw_error(errno, fmt::format("mkdtemp(\"{}\")", path_));
  }
  ~Scratch() {
    try {
      remove_tree(path_);
    } catch (const std::exception& error) {
      report(fmt::format("{} is left: {}", path_, error.what()));
    }
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// How to get into the container, and what somebody would type for it.
struct Demo {
  Command outside;    ///< the program is to follow
  Command container;  ///< the command is to follow
  std::string typed;  ///< "build/bin/solutions/level02 run --"
  std::string introduction;
  const Stop *first_stop, *last_stop;
  Command cleanup;  ///< to be run at the end
};

bool is_solved(const Project& project, int number) {
  for (const auto& level : project.levels) {
    if (level.number == number) return fs::exists(level.solution);
  }
  return false;
}

void build_or_throw(const Project& project, const std::vector<std::string>& targets) {
  const Build built = build(project, targets, "Building");
  if (!built.ok) throw std::runtime_error("the finished programs do not compile:\n" + built.messages);
}

Demo demo_as_root(const Project& project) {
  build_or_throw(project, {"level02_solution", "image"});
  const fs::path program = project.build / "bin/solutions/level02";
  Demo demo;
  if (::geteuid() != 0) {
    if (!has_program("sudo"))
      throw std::runtime_error("this needs root, and there is no sudo: run it as root");
    demo.container.argv.emplace_back("sudo");
    demo.typed = "sudo ";
  }
  demo.container.argv.insert(demo.container.argv.end(), {program, "run", "--"});
  demo.typed += project.shown(program) + " run --";
  demo.introduction = "The finished level 2: a container, run by root.\n";
  demo.first_stop = std::begin(kTourAsRoot);
  demo.last_stop = std::end(kTourAsRoot);
  return demo;
}

/// Has everything run as an ordinary user, at home in the scratch folder.
void become_user(Command& command, const Scratch& scratch) {
  command.environment = {{"HOME", scratch.path()}, {"WORKSHOP_STORE", scratch.path() + "/store"}};
  if (::geteuid() != 0) return;
  const auto user = ordinary_user();
  if (!user) {
    throw std::runtime_error(
        "the last levels want an ordinary user, and there is none: ./workshop setup makes one");
  }
  command.user = {user->uid, user->gid};
  command.environment.insert(command.environment.end(), {{"USER", user->name}, {"LOGNAME", user->name}});
  command.folder = scratch.path();
  check(::chown(scratch.path().c_str(), user->uid, user->gid), "chown(\"{}\")", scratch.path());
}

/// Where that user can execute our programs: in the build folder, or in a copy where its path is closed to
/// them.
fs::path programs_for(const Command& as_user, const Project& project, const Scratch& scratch) {
  const fs::path programs = project.build / "bin/solutions";
  Command attempt = as_user;
  attempt.argv = {"test", "-x", programs / "level05"};
  if (run(attempt) == 0) return programs;
  const fs::path copies = scratch.path() + "/bin/solutions";
  fs::create_directories(copies);
  for (const char* name : {"level04", "level05"}) fs::copy_file(programs / name, copies / name);
  fs::copy_file(project.build / "bin/image", copies.parent_path() / "image");
  return copies;
}

Command with(const Command& command, const std::vector<std::string>& more) {
  Command result = command;
  result.argv.insert(result.argv.end(), more.begin(), more.end());
  return result;
}

Demo demo_as_user(const Project& project, const Scratch& scratch) {
  build_or_throw(project, {"level04_solution", "level05_solution", "image"});
  Demo demo;
  become_user(demo.outside, scratch);
  const fs::path programs = programs_for(demo.outside, project, scratch);
  const std::string root = scratch.path() + "/rootfs", image = programs.parent_path() / "image";
  const std::vector<std::string> make_root = {
      programs / "level04", "run", "--", image, "extract", "-q", "busybox", root};
  if (run(with(demo.outside, make_root)) != 0) {
    throw std::runtime_error("the root file system could not be made: the reason is above");
  }
  demo.container =
      with(demo.outside, {programs / "level05", "run", "--hostname", "container", "--root", root, "--"});
  demo.typed =
      fmt::format("{} run --hostname container --root {} --", project.shown(programs / "level05"), root);
  demo.introduction = fmt::format(
      "The finished level 5: a container, run by an ordinary user. A root file system is\n"
      "made with level 4, and entered with level 5:\n\n  {}\n",
      bold(fmt::format("$ {} run -- {} extract busybox {}", project.shown(programs / "level04"),
                       project.shown(image), root)));
  demo.first_stop = std::begin(kTourAsUser);
  demo.last_stop = std::end(kTourAsUser);
  // Its files belong to subordinate ids, which only a namespace with the same map can remove.
  demo.cleanup = with(demo.outside, {programs / "level04", "run", "--", "rm", "-rf", root});
  return demo;
}

// ---------------------------------------------------------------- the tour

/// Runs one side of a stop and prints what was typed and what came back. False when it failed.
bool show(const std::string& prompt, const std::string& typed, const Command& shell) {
  print("  " + faint(prompt) + " " + bold(typed) + "\n");
  Command command = with(shell, {"sh", "-c", typed});
  command.with_errors = true;
  const Output output = capture(command);
  for (const auto& line : split_lines(output.text)) print("    " + line + "\n");
  if (output.status != 0) print(red(fmt::format("    exit status {}\n", output.status)));
  return output.status == 0;
}

int show_tour(const Demo& demo) {
  print(fmt::format("{}\n  {}\n\nWhat follows \"inside\" is run by that, in a shell.\n", demo.introduction,
                    bold("$ " + demo.typed + " COMMAND")));
  bool ok = true;
  for (const Stop* stop = demo.first_stop; stop != demo.last_stop; ++stop) {
    print("\n" + bold(stop->title) + "\n");
    ok = show("outside$", stop->outside, demo.outside) && ok;
    ok = show("inside$ ", stop->inside, demo.container) && ok;
    print("\n" + faint(indented(stop->remark)));
  }
  if (!ok) {
    throw std::runtime_error("not all of that went well: see the lines with an exit status above");
  }
  print("\nGo in yourself:  ./workshop demo -- sh\nBuild your own:  ./workshop\n");
  return 0;
}

int show_it(const Demo& demo, const Arguments& arguments) {
  return arguments.command.empty() ? show_tour(demo) : run(with(demo.container, arguments.command));
}

}  // namespace

int show_demo(const Arguments& arguments) {
  arguments.allow(0);
  const Project project = find_project();
  if (!is_solved(project, 5)) return show_it(demo_as_root(project), arguments);
  // Ctrl-C is for the command inside, as in system(3); we stay to clean up.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  const Scratch scratch;
  const Demo demo = demo_as_user(project, scratch);
  const struct AtEnd {
    const Command& command;
    ~AtEnd() { run(command); }
  } at_end{demo.cleanup};
  return show_it(demo, arguments);
}

}  // namespace workshop
