#include "common/runner/progress_report.hpp"

#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/runner/command.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/user.hpp"

namespace workshop {
namespace {

using nlohmann::json;
using State = StepVerdict::State;

constexpr const char* kSchema = "workshop.check/1";
constexpr std::size_t kMostLevels = 9;
constexpr off_t kLargest = 1 << 20;  // of a report: explanations of five levels are some kilobytes

const char* name_of(State state) {
  switch (state) {
    case State::done:
      return "done";
    case State::open:
      return "open";
    case State::skipped:
      return "skipped";
    case State::unknown:
      break;
  }
  return "unknown";
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&time));
  return text;
}

/// The version of the workshop: which commit is checked out.
std::string commit(const Project& project) {
  Command git{{"git", "-C", project.source, "rev-parse", "--short", "HEAD"}};
  git.with_errors = true;  // and so not to be seen
  git.user = {project.owner(), project.group()};
  const Output output = capture(git);
  return output.status == 0 ? output.text.substr(0, output.text.find('\n')) : "";
}

nlohmann::ordered_json step_document(const Project& project, const LevelVerdict& verdict,
                                     const StepVerdict& step) {
  nlohmann::ordered_json document = {{"step", step.step.number},
                                     {"title", step.step.title},
                                     {"bonus", step.step.is_bonus},
                                     {"state", name_of(step.state)},
                                     {"file", project.shown(verdict.level->skeleton)},
                                     {"line", step.step.line},
                                     {"failures", json::array()}};
  for (const auto& test : step.cases) {
    if (test.result != TestCase::Result::failed) continue;
    document["failures"].push_back({{"test", test.name}, {"explanation", test.explanation}});
  }
  return document;
}

nlohmann::ordered_json level_document(const Project& project, const LevelVerdict& verdict) {
  nlohmann::ordered_json document = {
      {"level", verdict.level->number}, {"title", verdict.level->title()},
      {"done", verdict.is_done()},      {"compile_errors", verdict.compile_errors},
      {"trouble", verdict.trouble},     {"steps", json::array()}};
  for (const auto& step : verdict.steps) document["steps"].push_back(step_document(project, verdict, step));
  return document;
}

/// A file that is not ours: no link is followed, no fifo waited for, no more read than a report can have.
std::string read_foreign(const std::filesystem::path& path) {
  constexpr int kFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
  const unique_fd file(check(::open(path.c_str(), kFlags), "open(\"{}\")", path.string()));
  struct stat status {};
  check(::fstat(file.get(), &status), "fstat(\"{}\")", path.string());
  if (!S_ISREG(status.st_mode)) throw std::runtime_error("it is no regular file");
  if (status.st_size > kLargest) throw std::runtime_error("it is too large for a report");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  text.resize(static_cast<std::size_t>(
      check(::read(file.get(), text.data(), text.size()), "read(\"{}\")", path.string())));
  return text;
}

ProgressReport::Level level_from(const json& document) {
  ProgressReport::Level level;
  level.number = document.at("level").get<int>();
  level.title = document.at("title").get<std::string>();
  level.is_done = document.at("done").get<bool>();
  level.compiles = document.at("compile_errors").get<std::string>().empty();
  for (const auto& step : document.at("steps")) {
    level.steps.push_back({step.at("step").get<int>(), step.at("title").get<std::string>(),
                           step.at("bonus").get<bool>(), step.at("state").get<std::string>()});
  }
  return level;
}

}  // namespace

int ProgressReport::Level::done_steps() const {
  return static_cast<int>(std::count_if(
      steps.begin(), steps.end(), [](const Step& step) { return !step.is_bonus && step.state == "done"; }));
}

int ProgressReport::Level::all_steps() const {
  return static_cast<int>(
      std::count_if(steps.begin(), steps.end(), [](const Step& step) { return !step.is_bonus; }));
}

const ProgressReport::Step* ProgressReport::Level::first_open() const {
  const auto open = std::find_if(steps.begin(), steps.end(),
                                 [](const Step& step) { return !step.is_bonus && step.state != "done"; });
  return open == steps.end() ? nullptr : &*open;
}

std::string to_json(const Project& project, const std::vector<LevelVerdict>& verdicts) {
  const auto user = ordinary_user();
  nlohmann::ordered_json document = {{"schema", kSchema},
                                     {"name", user ? user->name : ""},
                                     {"time", now()},
                                     {"commit", commit(project)},
                                     {"levels", json::array()}};
  for (const auto& verdict : verdicts) document["levels"].push_back(level_document(project, verdict));
  // What a program printed may be any bytes; JSON is UTF-8.
  return document.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

ProgressReport read_report(const std::filesystem::path& path) {
  const json document = json::parse(read_foreign(path), nullptr, false);
  if (document.is_discarded()) throw std::runtime_error("it is not JSON, or still being written");
  try {
    if (document.at("schema") != kSchema)
      throw std::runtime_error(fmt::format("it is no report of this version of the workshop ({})", kSchema));
    ProgressReport report{document.at("name").get<std::string>(), document.at("time").get<std::string>(), {}};
    if (document.at("levels").size() > kMostLevels)
      throw std::runtime_error("it has more levels than the workshop");
    for (const auto& level : document.at("levels")) report.levels.push_back(level_from(level));
    return report;
  } catch (const json::exception&) {
    throw std::runtime_error("parts of a report are missing in it");
  }
}

}  // namespace workshop
