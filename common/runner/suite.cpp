// `./workshop test`: builds everything and runs the whole test suite with ctest.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include "common/runner/build.hpp"
#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// ctest's programs have no terminal to ask for a password: sudo is asked once before, and remembers.
void prepare_sudo() {
  if (::geteuid() == 0 || !has_program("sudo")) return;
  if (capture({{"sudo", "-n", "true"}, {}, {}, true}).status == 0 || ::isatty(STDIN_FILENO) != 1) return;
  report("some tests need root: sudo asks for your password once");
  run({{"sudo", "-v"}});
}

/// Under sudo ctest runs as root, for the tests that need it; its log files are the learner's nevertheless.
void give_back(const Project& project) {
  if (::geteuid() != 0) return;
  const std::filesystem::path log = project.build / "Testing";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(log, ignored)) {
    [[maybe_unused]] const int result = ::lchown(entry.path().c_str(), project.owner(), project.group());
  }
  [[maybe_unused]] const int result = ::lchown(log.c_str(), project.owner(), project.group());
}

}  // namespace

int run_suite(const Arguments& arguments) {
  const Project project = find_project();
  const Build built = build(project, {}, "Building everything");
  print(built.messages);
  if (!built.ok) throw std::runtime_error("not everything compiles: the messages are above");
  prepare_sudo();
  std::vector<std::string> ctest = {"ctest", "--test-dir", project.build, "--output-on-failure",
                                    "--no-tests=error"};
  for (char** word = arguments.argv + 2; *word != nullptr; ++word) ctest.emplace_back(*word);
  const int status = run({ctest});
  give_back(project);
  return status;
}

}  // namespace workshop
