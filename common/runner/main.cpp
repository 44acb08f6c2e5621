// The runner: `./workshop COMMAND`. What each command does is in the file of its name.

#include <algorithm>
#include <iterator>
#include <numeric>
#include <string_view>

#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"
#include "common/sys/process.hpp"

namespace workshop {
namespace {

struct CommandRow {
  std::string_view name;
  int (*function)(const Arguments&);
};

constexpr CommandRow kCommands[] = {
    {"status", show_status},
    {"check", check_level},
    {"watch", watch_level},
    {"hint", show_hint},
    {"diff", diff_level},
    {"solve", solve_steps},
    {"reset", reset_steps},
    {"demo", show_demo},
    {"setup", set_up},
    {"doctor", examine_machine},
    {"bundle", bundle_images},
    {"room", show_room},
    {"completion", show_completion},
    {"cleanup", clean_up},
    {"test", run_suite},
    {"bench", run_bench},
    {"gate", run_gate},
    {"help", show_help},
    {"--help", show_help},
    {"-h", show_help},
};

/// How many letters have to be changed, added or removed to get from one word to the other (Levenshtein).
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t changed = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

[[noreturn]] void unknown_command(const std::string& name) {
  const auto nearest = std::min_element(
      std::begin(kCommands), std::end(kCommands),
      [&](const auto& a, const auto& b) { return distance(name, a.name) < distance(name, b.name); });
  const bool is_near = distance(name, nearest->name) <= std::max<std::size_t>(2, name.size() / 3);
  throw UsageError(fmt::format("there is no command '{}'{}", name,
                               is_near ? fmt::format(": did you mean '{}'?", nearest->name) : ""));
}

Arguments parse_arguments(int argc, char** argv) {
  Arguments arguments;
  arguments.argv = argv;
  for (int i = 2; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--") {
      arguments.command.assign(argv + i + 1, argv + argc);
      break;
    }
    (word.size() > 1 && word[0] == '-' ? arguments.options : arguments.words).push_back(word);
  }
  return arguments;
}

int run_command(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "status";
  const Arguments arguments = parse_arguments(argc, argv);
  const auto* const row = std::find_if(std::begin(kCommands), std::end(kCommands),
                                       [&](const CommandRow& command) { return command.name == name; });
  if (row == std::end(kCommands)) unknown_command(name);
  if (row->function != show_help && (arguments.has("--help") || arguments.has("-h"))) {
    Arguments about;
    about.words = {name};
    return show_help(about);
  }
  return row->function(arguments);
}

}  // namespace

int show_help(const Arguments& arguments) {
  const std::filesystem::path folder = find_project().source / "common/runner";
  const std::string command = arguments.words.empty() ? "" : arguments.words[0];
  if (command.empty()) {
    print(read_file(folder / "help.txt"));
    return 0;
  }
  if (std::none_of(std::begin(kCommands), std::end(kCommands),
                   [&](const CommandRow& row) { return row.name == command; })) {
    unknown_command(command);
  }
  print(read_file(folder / "help" / (command + ".txt")));
  return 0;
}

int set_up(const Arguments& arguments) {
  // The entry script's, since it is what the runner itself needs to be built.
  std::vector<std::string> command = {find_project().source / "common/setup/install", "--verbose"};
  command.insert(command.end(), arguments.words.begin(), arguments.words.end());
  if (arguments.words.empty()) command.insert(command.end(), {"build", "run"});
  execute(command);
}

int run_bench(const Arguments& arguments) {
  become_root(arguments.argv, "mount and to be other users", {"TMPDIR", "WORKSHOP_SETUP"});
  std::vector<std::string> command = {find_project().source / "common/bench/bench"};
  for (char** word = arguments.argv + 2; *word != nullptr; ++word) command.emplace_back(*word);
  execute(command);
}

}  // namespace workshop

int main(int argc, char** argv) {
  try {
    return workshop::run_command(argc, argv);
  } catch (...) {
    return workshop::report_exception();
  }
}
