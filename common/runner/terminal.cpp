#include "common/runner/terminal.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <regex>
#include <sstream>
#include <string_view>

#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kColumns = 76;
const std::string kIndent = "  ";

/// Between two SGR sequences (ECMA-48): `code` and reset.
std::string in_sgr(const char* code, const std::string& text) {
  return is_colourful() ? fmt::format("\033[{}m{}\033[0m", code, text) : text;
}

/// The words of a paragraph in lines of at most kColumns.
std::string folded(const std::string& paragraph) {
  std::istringstream words(paragraph);
  std::string result, line;
  for (std::string word; words >> word;) {
    if (!line.empty() && line.size() + word.size() + 1 > kColumns) {
      result += kIndent + line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
  }
  return line.empty() ? result : result + kIndent + line + "\n";
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

bool is_colourful() {
  static const bool result = [] {
    const char* no_color = std::getenv("NO_COLOR");
    const char* terminal = std::getenv("TERM");
    return on_terminal() && (no_color == nullptr || *no_color == '\0') && terminal != nullptr &&
           std::string_view(terminal) != "dumb";
  }();
  return result;
}

std::string indented(const std::string& text) {
  // Of a link, [chroot(2)](https://...), only the text.
  static const std::regex kLink("\\[([^\\]]+)\\]\\((https?:|[.]{1,2}/|#)[^)]*\\)");
  std::istringstream lines(std::regex_replace(text, kLink, "$1"));
  std::string result, paragraph;
  bool in_code = false;
  const auto end_paragraph = [&] {
    result += folded(paragraph);
    paragraph.clear();
  };
  for (std::string line; std::getline(lines, line);) {
    const bool fence = line.rfind("```", 0) == 0;
    if (fence || in_code || line.empty() || line.rfind("- ", 0) == 0) end_paragraph();
    if (fence)
      in_code = !in_code;
    else if (in_code || line.empty())
      result += (line.empty() ? "" : kIndent + kIndent + line) + "\n";
    else
      paragraph += line + " ";
  }
  end_paragraph();
  return result;
}

bool on_terminal() {
  return ::isatty(STDOUT_FILENO) == 1;
}

void Progress::begin() {
  if (::isatty(STDERR_FILENO) == 1) show("");
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
