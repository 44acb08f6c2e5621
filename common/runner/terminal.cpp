#include "common/runner/terminal.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "common/sys/error.hpp"

namespace workshop {
namespace {

bool is_colourful() {
  static const bool result = [] {
    const char* no_color = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return on_terminal() && (no_color == nullptr || *no_color == '\0') && terminal != nullptr &&
           std::string_view(terminal) != "dumb";
  }();
  return result;
}

/// Between two SGR sequences (ECMA-48): `code` and reset.
std::string in_sgr(const char* code, const std::string& text) {
  return is_colourful() ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
}

}  // namespace

std::string bold(const std::string& text) {
  return in_sgr("1", text);
}
std::string faint(const std::string& text) {
  return in_sgr("2", text);
}
std::string green(const std::string& text) {
  return in_sgr("32", text);
}
std::string yellow(const std::string& text) {
  return in_sgr("33", text);
}
std::string red(const std::string& text) {
  return in_sgr("31", text);
}

bool on_terminal() {
  return ::isatty(STDOUT_FILENO) == 1;
}

void Progress::show(const std::string& detail) {
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  if (!terminal && shown_) return;
  shown_ = true;
  const std::string line = terminal ? fmt::format("\r\033[K{} {}", title_, detail) : title_ + "\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

void Progress::clear() {
  if (!shown_ || ::isatty(STDERR_FILENO) != 1) return;
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, "\r\033[K", 4);
  shown_ = false;
}

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace workshop
