#include "common/runner/steps.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>

#include "common/runner/project.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

enum class MarkerKind { begin_todo, begin_step, end };

struct Marker {
  MarkerKind kind;
  std::string id;
  int step;
  std::string title;
};

bool take(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::string_view take_digits(std::string_view& text) {
  const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

/// "// TODO(level02.2): title." and its two siblings, indented or not; anything else is not a marker.
std::optional<Marker> parse_marker(std::string_view line) {
  std::string_view rest = trimmed(line);
  if (!take(rest, "// ")) return std::nullopt;
  Marker marker{};
  if (take(rest, "TODO(level")) {
    marker.kind = MarkerKind::begin_todo;
  } else if (take(rest, "STEP(level")) {
    marker.kind = MarkerKind::begin_step;
  } else if (take(rest, "END(level")) {
    marker.kind = MarkerKind::end;
  } else {
    return std::nullopt;
  }
  const std::string level(take_digits(rest));
  if (level.size() != 2 || !take(rest, ".")) return std::nullopt;
  const std::string step(take_digits(rest));
  if (step.empty() || step.size() > 2 || !take(rest, ")")) return std::nullopt;
  marker.step = std::stoi(step);
  marker.id = "level" + level + "." + step;
  take(rest, ":");
  rest = trimmed(rest);
  marker.title = rest.substr(0, rest.find(". "));  // a sentence; the explanation may begin on the same line
  if (!marker.title.empty() && marker.title.back() == '.') marker.title.pop_back();
  return marker;
}

[[noreturn]] void broken(const std::filesystem::path& path, std::size_t line, const std::string& what) {
  throw std::runtime_error(fmt::format("{}:{}: {}", path.string(), line, what));
}

std::map<std::string, int> block_counts(const StepFile& file, const std::function<bool(int)>& wanted) {
  std::map<std::string, int> counts;
  for (const auto& block : file.blocks) {
    if (wanted(block.step)) ++counts[block.id];
  }
  return counts;
}

void require_same_blocks(const StepFile& file, const StepFile& source,
                         const std::function<bool(int)>& wanted) {
  auto here = block_counts(file, wanted), there = block_counts(source, wanted);
  for (const auto& [id, count] : there) {
    if (here[id] == count) continue;
    throw std::runtime_error(
        fmt::format("{} has {} block(s) of {} between // TODO({}) and // END({}), there should be {}",
                    file.path.string(), here[id], id, id, id, count));
  }
}

}  // namespace

std::vector<Step> StepFile::steps() const {
  std::map<int, Step> by_number;
  for (const auto& block : blocks) {
    if (by_number.count(block.step) != 0) continue;
    Step step{block.step, block.title, false, block.first};
    if (step.title.rfind("bonus:", 0) == 0) {
      step.is_bonus = true;
      step.title = trimmed(std::string_view(step.title).substr(6));
    }
    by_number[block.step] = step;
  }
  std::vector<Step> result;
  for (const auto& [number, step] : by_number) result.push_back(step);
  return result;
}

std::vector<std::string> StepFile::text_of(const Block& block) const {
  return {lines.begin() + static_cast<std::ptrdiff_t>(block.first) - 1,
          lines.begin() + static_cast<std::ptrdiff_t>(block.last)};
}

const Block* StepFile::block(int step, std::size_t n) const {
  for (const auto& block : blocks) {
    if (block.step == step && n-- == 0) return &block;
  }
  return nullptr;
}

std::string StepFile::outline() const {
  std::vector<std::string> result;
  std::size_t line = 1;
  for (const auto& block : blocks) {
    for (; line < block.first; ++line) result.push_back(lines[line - 1]);
    result.push_back("<" + block.id + ">");
    line = block.last + 1;
  }
  for (; line <= lines.size(); ++line) result.push_back(lines[line - 1]);
  return join_lines(result);
}

StepFile parse_steps(const std::filesystem::path& path, const std::string& text) {
  StepFile file{path, split_lines(text), {}};
  bool open = false;
  for (std::size_t line = 1; line <= file.lines.size(); ++line) {
    const auto marker = parse_marker(file.lines[line - 1]);
    if (!marker) continue;
    if (marker->kind != MarkerKind::end) {
      if (open) {
        broken(
            path, line,
            fmt::format("{} begins inside {}, whose END line is missing", marker->id, file.blocks.back().id));
      }
      file.blocks.push_back(
          {marker->id, marker->step, marker->title, line, 0, marker->kind == MarkerKind::begin_todo});
      open = true;
    } else {
      if (!open || file.blocks.back().id != marker->id) {
        broken(path, line,
               fmt::format("END({0}) without its beginning, // TODO({0}) or // STEP({0})", marker->id));
      }
      file.blocks.back().last = line;
      open = false;
    }
  }
  if (open) {
    const auto& block = file.blocks.back();
    broken(path, block.first, fmt::format("the block does not end: // END({}) is missing", block.id));
  }
  return file;
}

StepFile read_steps(const std::filesystem::path& path) {
  return parse_steps(path, read_file(path));
}

std::string with_blocks_of(const StepFile& file, const StepFile& source,
                           const std::function<bool(int)>& wanted) {
  require_same_blocks(file, source, wanted);
  std::vector<std::string> result;
  std::map<int, std::size_t> seen;  // blocks of each step so far
  std::size_t line = 1;
  for (const auto& block : file.blocks) {
    if (!wanted(block.step)) continue;
    for (; line < block.first; ++line) result.push_back(file.lines[line - 1]);
    for (const auto& text : source.text_of(*source.block(block.step, seen[block.step]++)))
      result.push_back(text);
    line = block.last + 1;
  }
  for (; line <= file.lines.size(); ++line) result.push_back(file.lines[line - 1]);
  return join_lines(result);
}

std::string join_lines(const std::vector<std::string>& lines) {
  std::string result;
  for (const auto& line : lines) result += line + "\n";
  return result;
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) result.push_back(line);
  return result;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  if (from.empty()) return text;
  for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
  return text;
}

}  // namespace workshop
