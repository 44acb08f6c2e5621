#include "common/image/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "common/image/say.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr auto kRedraw = std::chrono::milliseconds(100);
constexpr auto kPlainLine = std::chrono::seconds(10);

std::size_t columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

bool has_cursor() {
  const char* terminal = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) && terminal && terminal != std::string("dumb");
}

void write(const std::string& text) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string bar(std::uint64_t bytes, std::uint64_t total) {
  constexpr std::size_t width = 20;
  const std::size_t full =
      total == 0 ? width : static_cast<std::size_t>(width * std::min(bytes, total) / total);
  return "[" + std::string(full, '#') + std::string(width - full, '.') + "]";
}

std::string time_left(double seconds) {
  const auto whole = static_cast<unsigned long>(std::min(seconds, 359999.0)) + 1;
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{}:{:02} min", whole / 60, whole % 60);
}

void tell(const std::string& message) {
  if (!is_quiet()) report(message);
}

}  // namespace

Progress::Progress() : terminal_(has_cursor() && !is_quiet()) {
  set_progress(this);
}

Progress::~Progress() {
  set_progress(nullptr);
}

std::size_t Progress::add(const std::string& label, std::uint64_t total) {
  const std::lock_guard guard(mutex_);
  lines_.push_back({label, total});
  return lines_.size() - 1;
}

void Progress::update(std::size_t number, std::uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  Line& line = lines_[number];
  const auto now = Clock::now();
  if (line.began == Clock::time_point()) {
    line.began = line.told = now;
    line.first = bytes;
  }
  line.bytes = bytes;
  if (terminal_ && now - drawn_at_ >= kRedraw) {
    erase();
    draw();
  } else if (!terminal_ && now - line.told >= kPlainLine) {
    line.told = now;
    tell(line.text());
  }
}

void Progress::finish(std::size_t number, const std::string& outcome) {
  const std::lock_guard guard(mutex_);
  lines_[number].outcome = outcome;
  if (terminal_) {
    erase();
    draw();
  } else {
    tell(lines_[number].text());
  }
}

std::string Progress::Line::text() const {
  if (!outcome.empty()) return fmt::format("{}  {:>9}  {}", label, human_size(total), outcome);
  if (began == Clock::time_point()) return fmt::format("{}  {:>9}  waiting", label, human_size(total));
  const double seconds = std::chrono::duration<double>(Clock::now() - began).count();
  const double rate = seconds > 0 ? static_cast<double>(bytes - first) / seconds : 0;
  const double left = rate > 0 ? static_cast<double>(total - bytes) / rate : 0;
  return fmt::format("{}  {} {} of {}, {}/s, {} left", label, bar(bytes, total), human_size(bytes),
                     human_size(total), human_size(static_cast<unsigned long long>(rate)), time_left(left));
}

void Progress::print(const std::string& message) {
  const std::lock_guard guard(mutex_);
  erase();
  tell(message);
  draw();
}

void Progress::erase() {
  if (drawn_ > 0) write(fmt::format("\033[{}A\r\033[J", drawn_));
  drawn_ = 0;
}

void Progress::draw() {
  if (!terminal_) return;
  const std::size_t width = columns();
  std::string text;
  for (const auto& line : lines_) text += line.text().substr(0, width - 1) + "\n";
  write(text);
  drawn_ = lines_.size();
  drawn_at_ = Clock::now();
}

}  // namespace workshop
