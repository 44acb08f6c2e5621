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

winsize size_of_terminal() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == -1 || size.ws_col == 0 || size.ws_row == 0)
    return {24, 80, 0, 0};
  return size;
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

/// "[####................] 1.2 MB, 3.4 MB/s, 2 s left": the first bytes were there at the beginning.
std::string amounts(std::uint64_t bytes, std::uint64_t first, std::uint64_t total, double seconds) {
  const std::string so_far = fmt::format("{} {}", bar(bytes, total), human_size(bytes));
  if (bytes <= first || bytes >= total || seconds <= 0) return so_far;
  const double rate = static_cast<double>(bytes - first) / seconds;
  const double left = static_cast<double>(total - bytes) / rate;
  return fmt::format("{}, {}/s, {} left", so_far, human_size(static_cast<unsigned long long>(rate)),
                     time_left(left));
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
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
  erase();
  draw(Frame::last);
}

void Progress::add(const std::string& name, std::uint64_t total) {
  layers_.push_back({layers_.size() + 1, name, total});
}

void Progress::begin(std::size_t number, const std::string& what, std::uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  Layer& layer = layers_[number];
  if (layer.is_finished) return;
  const bool is_first = layer.began == Clock::time_point();
  layer.state = what;
  layer.began = Clock::now();
  layer.bytes = layer.first = bytes;
  show(layer, is_first);
}

void Progress::update(std::size_t number, std::uint64_t bytes) {
  const std::lock_guard guard(mutex_);
  Layer& layer = layers_[number];
  if (layer.is_finished) return;
  layer.bytes = bytes;
  layer.first = std::min(layer.first, bytes);  // less than before: it had to begin again
  const auto now = Clock::now();
  if (terminal_ ? now - drawn_at_ >= kRedraw : now - layer.told >= kPlainLine) show(layer, true);
}

void Progress::arrived(std::size_t number, const std::string& how) {
  const std::lock_guard guard(mutex_);
  Layer& layer = layers_[number];
  if (layer.is_finished) return;
  layer.state = how;
  layer.is_here = true;
  layer.fetched = layer.bytes - layer.first;
  layer.bytes = layer.first = 0;
  show(layer, false);
}

void Progress::finish(std::size_t number, const std::string& outcome) {
  const std::lock_guard guard(mutex_);
  Layer& layer = layers_[number];
  if (layer.is_finished) return;
  if (!outcome.empty()) layer.state = outcome;
  layer.is_finished = true;
  layer.bytes = layer.first = 0;
  show(layer, true);
}

void Progress::print(const std::string& message) {
  const std::lock_guard guard(mutex_);
  erase();
  tell(message);
  draw(Frame::live);
}

void Progress::show(Layer& layer, bool worth_a_line) {
  if (terminal_) {
    erase();
    draw(Frame::live);
  } else if (worth_a_line) {
    layer.told = Clock::now();
    tell(line_of(layer));
  }
}

/// Line by line: what is erased "to the end of the screen", some terminals keep above it (tmux(1),
/// scroll-on-clear).
void Progress::erase() {
  std::string text = "\r";
  for (; drawn_ > 0; --drawn_) text += "\033[A\033[2K";
  if (text.size() > 1) write(text);
}

void Progress::draw(Frame frame) {
  if (!terminal_) return;
  const winsize size = size_of_terminal();
  const auto cut = [&](const std::string& line) { return line.substr(0, size.ws_col - 1U) + "\n"; };
  std::string text;
  for (; done_ < layers_.size() && layers_[done_].is_finished; ++done_) text += cut(line_of(layers_[done_]));
  const std::size_t room = std::max<std::size_t>(size.ws_row, 3) - 2;  // for the total and the cursor
  for (std::size_t i = done_; i < layers_.size() && drawn_ < room; ++i, ++drawn_)
    text += cut(line_of(layers_[i]));
  if (frame == Frame::live && drawn_ > 0 && layers_.size() > 1) text += cut(line_of_all()), ++drawn_;
  write(text);
  drawn_at_ = Clock::now();
}

std::string Progress::label_of(const Layer& layer) const {
  const std::size_t digits = std::to_string(layers_.size()).size();
  return fmt::format("layer {:>{}}/{} {}", layer.number, digits, layers_.size(), layer.name);
}

std::string Progress::line_of(const Layer& layer) const {
  const std::string line =
      fmt::format("{}  {:>9}  {}", label_of(layer), human_size(layer.total), layer.state);
  if (layer.bytes == 0) return line;
  return fmt::format("{}  {}", line,
                     amounts(layer.bytes, layer.first, layer.total, seconds_since(layer.began)));
}

std::string Progress::line_of_all() const {
  Layer all{0, "", 0};
  std::size_t finished = 0;
  for (const auto& layer : layers_) {
    all.total += layer.total;
    all.bytes += layer.is_here ? layer.total : layer.bytes;
    all.fetched += layer.is_here ? layer.fetched : layer.bytes - layer.first;
    finished += layer.is_finished ? 1 : 0;
  }
  const std::size_t width = label_of(layers_[0]).size();
  return fmt::format("{:<{}}  {:>9}  {} of {} done  {}", "total", width, human_size(all.total), finished,
                     layers_.size(),
                     amounts(all.bytes, all.bytes - all.fetched, all.total, seconds_since(began_)));
}

}  // namespace workshop
