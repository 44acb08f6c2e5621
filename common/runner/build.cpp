#include "common/runner/build.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/runner/steps.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"

namespace workshop {
namespace {

bool begins_with(const std::string& text, const std::string& prefix) {
  return text.rfind(prefix, 0) == 0;
}

/// "[3/24] Building CXX object ...": ninja's progress, in the form that NINJA_STATUS below asks for.
std::string progress_of(const std::string& line) {
  const auto end = line.find("] ");
  const bool is_progress = begins_with(line, "[") && end != std::string::npos &&
                           line.substr(1, end - 1).find_first_not_of("0123456789/") == std::string::npos;
  return is_progress ? line.substr(1, end - 1) : "";
}

std::vector<std::string> build_command(const Project& project, const std::vector<std::string>& targets) {
  // ninja itself where it is what was configured: cmake needs three times as long to find out that there is
  // nothing to do.
  const bool ninja = std::filesystem::exists(project.build / "build.ninja");
  std::vector<std::string> argv = {ninja ? "ninja" : "cmake", ninja ? "-C" : "--build", project.build};
  if (!ninja && !targets.empty()) argv.emplace_back("--target");
  argv.insert(argv.end(), targets.begin(), targets.end());
  return argv;
}

/// Two builds in one folder at once would be in each other's way: `watch` in one terminal and `check` in
/// another, say. The lock is that of common/setup/build.
unique_fd take_turns(const Project& project) {
  const std::string path = project.build / ".lock";
  unique_fd lock(check(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644), "open(\"{}\")", path));
  if (::geteuid() == 0) check(::fchown(lock.get(), project.owner(), project.group()), "fchown(\"{}\")", path);
  check(::flock(lock.get(), LOCK_EX), "flock(\"{}\")", path);
  return lock;
}

}  // namespace

Build build(const Project& project, const std::vector<std::string>& targets, const std::string& title) {
  Command command{build_command(project, targets), {{"NINJA_STATUS", "[%f/%t] "}}};
  command.with_errors = true;
  command.user = owner_of(project);
  const unique_fd lock = take_turns(project);
  Progress progress(title);
  progress.begin();
  std::string output;
  const int status = run_by_line(command, [&](const std::string& line) {
    const std::string step = progress_of(line);
    if (!step.empty()) progress.show(step);
    if (step.empty()) output += line + "\n";
  });
  if (status == kNotFound)
    throw std::runtime_error("the build tool is missing: ./workshop setup installs it");
  return {status == 0, compiler_messages(project, output)};
}

std::string compiler_messages(const Project& project, const std::string& output) {
  std::string result;
  bool is_command = false;  // the line after "FAILED:" is the command that failed
  for (const auto& line : split_lines(output)) {
    const bool is_ninjas = begins_with(line, "ninja: ") && !begins_with(line, "ninja: error: ");
    const bool is_cmakes = begins_with(line, "-- ");  // where it configures again
    const bool noise = is_command || is_ninjas || is_cmakes || begins_with(line, "FAILED:");
    is_command = begins_with(line, "FAILED:");
    if (!noise) result += line + "\n";
  }
  const std::string top = project.source.string() + "/";
  return replaced(result, top, project.shown(top) == "." ? "" : project.shown(top));
}

std::pair<uid_t, gid_t> owner_of(const Project& project) {
  return {project.owner(), project.group()};
}

}  // namespace workshop
