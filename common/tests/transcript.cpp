#include "common/tests/transcript.hpp"

#include <fmt/core.h>
#include <fnmatch.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace workshop::testing {
namespace {

using Lines = std::vector<std::string>;

constexpr std::string_view kAnything = "…";
constexpr std::string_view kFence = "```";
constexpr std::string_view kPrompt = "$ ";
constexpr std::string_view kNoRun = "console no-run";

bool begins_with(const std::string& text, std::string_view part) {
  return text.compare(0, part.size(), part) == 0;
}

Lines lines_of(const std::string& text) {
  Lines result;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) result.push_back(line);
  return result;
}

/// NAME, where a block begins with "// NAME.cpp".
std::string file_name(const Lines& block) {
  if (block.empty() || !begins_with(block[0], "// ")) return "";
  const std::string name = block[0].substr(3);
  const bool is_file = name.size() > 4 && name.substr(name.size() - 4) == ".cpp";
  return is_file && name.find(' ') == std::string::npos ? name : "";
}

/// The commands of a console block. `line` is the line number of its first line.
void add_commands(std::vector<Action>& actions, const Lines& block, int line) {
  const auto first = actions.size();
  for (const std::string& text : block) {
    if (begins_with(text, kPrompt)) {
      actions.push_back({line, "", text.substr(kPrompt.size()), {}});
    } else if (actions.size() == first) {
      throw std::runtime_error(fmt::format("line {}: not a command: \"{}\"", line, text));
    } else {
      actions.back().output.push_back(text);
    }
    ++line;
  }
}

void add_block(std::vector<Action>& actions, const std::string& kind, const Lines& block, int line) {
  if (kind == "console") {
    add_commands(actions, block, line);
  } else if (begins_with(kind, "console") && kind != kNoRun) {
    throw std::runtime_error(
        fmt::format("line {}: \"{}\" is neither \"console\" nor \"{}\"", line - 1, kind, kNoRun));
  } else if (const std::string name = file_name(block); kind == "cpp" && !name.empty()) {
    std::string text;
    for (const std::string& code : block) text += code + "\n";
    actions.push_back({line, name, text, {}});
  }
}

/// One line, by fnmatch(3): with "…" as its "*", and nothing else special.
bool line_looks_like(const std::string& printed, const std::string& shown) {
  std::string pattern;
  for (std::size_t i = 0; i < shown.size(); ++i) {
    if (shown.compare(i, kAnything.size(), kAnything) == 0) {
      pattern += '*';
      i += kAnything.size() - 1;
    } else {
      if (std::string_view("*?[\\").find(shown[i]) != std::string_view::npos) pattern += '\\';
      pattern += shown[i];
    }
  }
  return ::fnmatch(pattern.c_str(), printed.c_str(), 0) == 0;
}

bool is_any_lines(const std::string& shown) {
  const auto first = shown.find_first_not_of(' ');
  return first != std::string::npos && shown.substr(first) == kAnything;
}

}  // namespace

std::vector<Action> parse_chapter_actions(const std::string& chapter) {
  std::vector<Action> actions;
  const Lines lines = lines_of(chapter);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!begins_with(lines[i], kFence)) continue;
    const std::string kind = lines[i].substr(kFence.size());
    const std::size_t first = i + 1;
    do {
      if (++i == lines.size()) throw std::runtime_error(fmt::format("line {}: the block has no end", first));
    } while (lines[i] != kFence);
    const Lines block(lines.begin() + static_cast<std::ptrdiff_t>(first),
                      lines.begin() + static_cast<std::ptrdiff_t>(i));
    add_block(actions, kind, block, static_cast<int>(first) + 1);
  }
  return actions;
}

bool looks_like(const std::string& printed, const std::vector<std::string>& shown) {
  const Lines lines = lines_of(printed);
  // so_far[n]: the first n lines look like what has been shown so far.
  std::vector<bool> so_far(lines.size() + 1, false);
  so_far[0] = true;
  for (const std::string& line : shown) {
    std::vector<bool> next(lines.size() + 1, false);
    if (is_any_lines(line)) {
      const auto begin = std::find(so_far.begin(), so_far.end(), true) - so_far.begin();
      std::fill(next.begin() + begin, next.end(), true);
    } else {
      for (std::size_t n = 0; n < lines.size(); ++n) {
        next[n + 1] = so_far[n] && line_looks_like(lines[n], line);
      }
    }
    so_far = next;
  }
  return so_far.back();
}

}  // namespace workshop::testing
