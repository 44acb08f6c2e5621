// `./workshop room DIR`: who is where, from the reports that attendees dropped into a shared folder.

#include <algorithm>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "common/runner/commands.hpp"
#include "common/runner/progress_report.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

/// Where somebody is: the first level that is not done, and its first step that is not.
struct Seat {
  std::string name;
  std::string time;
  std::vector<std::string> levels;  ///< "5/5", of each level
  int level = 0;                    ///< 0: all is done
  int step = 0;                     ///< 0: the level does not compile, or cannot be judged
  std::string title;                ///< of the step
};

/// At most `width` bytes of somebody else's text, in one line, none of which gives orders to the terminal.
std::string fitting(const std::string& text, std::size_t width) {
  std::string line = printable(text);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\t'; }, '?');
  return line.size() <= width ? line : line.substr(0, width - 1) + "~";
}

Seat seat_of(const ProgressReport& report) {
  Seat seat{report.name, report.time, {}, 0, 0, ""};
  for (const auto& level : report.levels) {
    seat.levels.push_back(fmt::format("{}/{}", level.done_steps(), level.all_steps()));
    if (level.is_done || seat.level != 0) continue;
    seat.level = level.number;
    const auto* open = level.first_open();
    if (open != nullptr && level.compiles) seat.step = open->number;
    seat.title = !level.compiles ? "does not compile" : open != nullptr ? open->title : "cannot be judged";
  }
  return seat;
}

/// All reports in the folder; what is none is named and passed over.
std::vector<Seat> read_room(const fs::path& folder) {
  std::vector<Seat> seats;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != ".json") continue;
    try {
      seats.push_back(seat_of(read_report(entry.path())));
      if (seats.back().name.empty()) seats.back().name = entry.path().stem();
    } catch (const std::exception& error) {
      report(fmt::format("{} is left out: {}", entry.path().filename().string(), error.what()));
    }
  }
  // Those who may need somebody first.
  const auto place = [](const Seat& seat) {
    return std::tuple(seat.level == 0 ? 99 : seat.level, seat.step, seat.name);
  };
  std::sort(seats.begin(), seats.end(), [&](const Seat& a, const Seat& b) { return place(a) < place(b); });
  return seats;
}

/// "level 2, step 3: fetch an image"
std::string where(const Seat& seat) {
  if (seat.level == 0) return "all done";
  if (seat.step == 0) return fmt::format("level {} {}", seat.level, seat.title);
  return fmt::format("level {}, step {}: {}", seat.level, seat.step, seat.title);
}

void print_seats(const std::vector<Seat>& seats) {
  std::size_t most = 0;
  for (const auto& seat : seats) most = std::max(most, seat.levels.size());
  print(bold(fmt::format("{:16}  {:5}", "name", "UTC")));
  for (std::size_t i = 1; i <= most; ++i) print(bold(fmt::format("{:>5}", i)));
  print(bold("  is at") + "\n");
  for (const auto& seat : seats) {
    std::string line =
        fmt::format("{:16}  {:5}", fitting(seat.name, 16),
                    fitting(seat.time.substr(std::min<std::size_t>(11, seat.time.size()), 5), 5));
    for (const auto& level : seat.levels) line += fmt::format("{:>5}", fitting(level, 5));
    line += "  ";
    print(line + fitting(where(seat), line.size() < 70 ? 79 - line.size() : 20) + "\n");
  }
}

/// The steps that most are at, most first.
void print_crowds(const std::vector<Seat>& seats) {
  std::map<std::string, int> counts;
  for (const auto& seat : seats) ++counts[where(seat)];
  std::vector<std::pair<std::string, int>> crowds(counts.begin(), counts.end());
  std::stable_sort(crowds.begin(), crowds.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  print("\n");
  for (const auto& [place, count] : crowds) print(fmt::format("{:5}  {}\n", count, fitting(place, 72)));
}

void print_json(const std::vector<Seat>& seats) {
  nlohmann::ordered_json document = {{"schema", "workshop.room/1"}, {"people", nlohmann::json::array()}};
  for (const auto& seat : seats) {
    document["people"].push_back({{"name", seat.name},
                                  {"time", seat.time},
                                  {"done", seat.levels},
                                  {"level", seat.level},
                                  {"step", seat.step},
                                  {"title", seat.title}});
  }
  print(document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

}  // namespace

int show_room(const Arguments& arguments) {
  arguments.allow(1, {"--json"});
  if (arguments.words.empty()) {
    throw UsageError("which folder? The one where everybody puts what ./workshop check --all --json prints");
  }
  const fs::path folder = arguments.words[0];
  if (!fs::is_directory(folder))
    throw std::runtime_error(fmt::format("there is no folder {}", folder.string()));
  const std::vector<Seat> seats = read_room(folder);
  if (arguments.has("--json")) {
    print_json(seats);
  } else if (seats.empty()) {
    print(
        fmt::format("Nobody is here yet. Everybody calls:\n  ./workshop check --all --json > {}/$USER.json\n",
                    folder.string()));
  } else {
    print_seats(seats);
    print_crowds(seats);
  }
  return 0;
}

}  // namespace workshop
