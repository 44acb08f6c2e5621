// `./workshop doctor [--json]`: tries what each level needs of this machine, and says what mends it.

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/runner/commands.hpp"
#include "common/runner/needs.hpp"
#include "common/runner/project.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

using State = Answer::State;

constexpr int kLevels = 5;

struct Result {
  const Need* need;
  Answer answer;

  bool is_for(int level) const { return need->first <= level && level <= need->last; }
};

/// A failure of the doctor's own attempt is a finding too.
Answer ask(const Need& need, const Machine& machine) {
  try {
    return need.answer(machine);
  } catch (const std::exception& error) {
    return {State::failed, error.what(), "mend what it says, and call ./workshop doctor again"};
  }
}

std::vector<Result> ask_all(const Machine& machine) {
  std::vector<Result> results;
  Progress progress("Trying what the levels need:");
  for (const Need& need : needs()) {
    progress.show(need.what);
    results.push_back({&need, ask(need, machine)});
  }
  return results;
}

bool works(const std::vector<Result>& results, int level) {
  return std::none_of(results.begin(), results.end(), [&](const Result& result) {
    return result.is_for(level) && result.answer.state == State::failed;
  });
}

bool was_tried(const std::vector<Result>& results, int level) {
  return std::none_of(results.begin(), results.end(), [&](const Result& result) {
    return result.is_for(level) && result.answer.state == State::untried;
  });
}

std::string cell(const Result& result, int level) {
  if (!result.is_for(level)) return "    ";
  switch (result.answer.state) {
    case State::ok:
      return green("  ok");
    case State::failed:
      return red("  no");
    case State::untried:
      break;
  }
  return yellow("   ?");
}

void print_table(const std::vector<Result>& results) {
  print(bold(fmt::format("{:44}", "level")));
  for (int level = 1; level <= kLevels; ++level) print(bold(fmt::format("{:>4}", level)));
  print("\n");
  for (const Result& result : results) {
    std::string line = fmt::format("  {:42}", result.need->what);
    for (int level = 1; level <= kLevels; ++level) line += cell(result, level);
    print(line.substr(0, line.find_last_not_of(' ') + 1) + "\n");
  }
}

void print_findings(const std::vector<Result>& results) {
  for (const Result& result : results) {
    if (result.answer.state == State::ok) continue;
    const bool failed = result.answer.state == State::failed;
    print(fmt::format("\n{}: {}\n{}", bold(result.need->what), failed ? "no" : "not tried",
                      indented(result.answer.problem)));
    print(fmt::format("  {} {}\n", failed ? "mend it:" : "try it: ", result.answer.mend));
  }
}

void print_summary(const std::vector<Result>& results) {
  std::string working, broken;
  bool all_tried = true;
  for (int level = 1; level <= kLevels; ++level) {
    std::string& list = works(results, level) ? working : broken;
    list += fmt::format("{}{}", list.empty() ? "" : ", ", level);
    all_tried = all_tried && was_tried(results, level);
  }
  print("\n");
  if (broken.empty() && !all_tried) {
    print("Nothing is missing of what could be tried. Next: ./workshop\n");
  } else if (broken.empty()) {
    print(green("All levels should work here.") + " Next: ./workshop\n");
  } else {
    print(fmt::format("{} {}.{}\n", red("Will not work here:"), "level " + broken,
                      working.empty() ? "" : " The others should: " + working + "."));
  }
}

void print_json(const std::vector<Result>& results, const Machine& machine) {
  static constexpr const char* kNames[] = {"ok", "failed", "untried"};
  nlohmann::ordered_json document = {{"schema", "workshop.doctor/1"},
                                     {"root", machine.is_root},
                                     {"user", machine.user ? machine.user->name : ""}};
  for (int level = 1; level <= kLevels; ++level) {
    nlohmann::ordered_json verdict = works(results, level);
    if (works(results, level) && !was_tried(results, level)) verdict = nullptr;
    document["levels"].push_back({{"level", level}, {"works", verdict}});
  }
  for (const Result& result : results) {
    document["needs"].push_back({{"what", result.need->what},
                                 {"first_level", result.need->first},
                                 {"last_level", result.need->last},
                                 {"state", kNames[static_cast<int>(result.answer.state)]},
                                 {"problem", result.answer.problem},
                                 {"mend", result.answer.mend}});
  }
  print(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

int examine_machine(const Arguments& arguments) {
  arguments.allow(0, {"--json"});
  const Machine machine = this_machine(own_build());
  const std::vector<Result> results = ask_all(machine);
  if (arguments.has("--json")) {
    print_json(results, machine);
  } else {
    print_table(results);
    print_findings(results);
    print_summary(results);
  }
  for (int level = 1; level <= kLevels; ++level) {
    if (!works(results, level)) return 1;
  }
  return 0;
}

}  // namespace workshop
