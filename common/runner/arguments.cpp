#include <algorithm>

#include "common/runner/commands.hpp"
#include "common/sys/error.hpp"

namespace workshop {

bool Arguments::has(const std::string& option) const {
  return std::find(options.begin(), options.end(), option) != options.end();
}

void Arguments::allow(std::size_t count, const std::vector<std::string>& known) const {
  for (const auto& option : options) {
    if (std::find(known.begin(), known.end(), option) == known.end()) {
      throw UsageError(fmt::format("unknown option '{}'", option));
    }
  }
  if (words.size() > count) throw UsageError(fmt::format("unexpected argument '{}'", words[count]));
}

int step_argument(const Arguments& arguments, const StepFile& file, int otherwise) {
  if (arguments.words.size() < 2) return otherwise;
  const std::string& word = arguments.words[1];
  std::string known;
  for (const auto& step : file.steps()) {
    if (word == std::to_string(step.number)) return step.number;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", step.number);
  }
  throw UsageError(fmt::format("there is no step '{}' in this level: its steps are {}", word, known));
}

const Level& level_argument(const Arguments& arguments, const Project& project) {
  if (arguments.words.empty()) throw UsageError("which level? Say its number");
  return project.level(arguments.words[0]);
}

}  // namespace workshop
