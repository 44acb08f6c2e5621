#include "common/runner/chapter.hpp"

#include <algorithm>
#include <optional>

#include "common/runner/steps.hpp"

namespace workshop {
namespace {

constexpr const char* kSummary = "<summary>";

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

bool is_heading(const std::string& line) {
  const auto end = line.find_first_not_of('#');
  return end != std::string::npos && end > 0 && end < 5 && line[end] == ' ';
}

/// "### Step 2: title", "### Bonus step 7: title"; the heading of anything else is none.
std::optional<ChapterStep> parse_heading(const std::string& line) {
  const std::string heading = trimmed(line.substr(line.find(' ')));
  for (const std::string prefix : {"Step ", "Bonus step "}) {
    const std::string rest = heading.substr(std::min(prefix.size(), heading.size()));
    const auto digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (heading.rfind(prefix, 0) != 0 || digits == 0 || digits > 2) continue;
    ChapterStep step;
    step.number = std::stoi(rest);
    const auto colon = rest.find(": ");
    step.title = colon == std::string::npos ? "" : rest.substr(colon + 2);
    return step;
  }
  return std::nullopt;
}

/// What stands between two tags of a line; the rest of the line where the second is missing.
std::string between(const std::string& line, const std::string& begin, const std::string& end) {
  const auto from = line.find(begin) + begin.size();
  const auto to = line.find(end, from);
  return line.substr(from, to == std::string::npos ? to : to - from);
}

}  // namespace

std::vector<ChapterStep> parse_chapter(const std::string& text) {
  std::vector<ChapterStep> steps;
  bool in_step = false, in_hint = false, in_code = false;
  std::size_t number = 0;
  for (const auto& line : split_lines(text)) {
    ++number;
    if (line.rfind("```", 0) == 0) in_code = !in_code;
    if (!in_code && is_heading(line)) {
      const auto step = parse_heading(line);
      in_hint = false;
      in_step = step.has_value();
      if (step) steps.push_back(*step);
      if (step) steps.back().line = number;
    } else if (in_step && line.find(std::string(kSummary) + "Hint") != std::string::npos) {
      steps.back().hints.push_back({between(line, kSummary, "</summary>"), ""});
      in_hint = true;
    } else if (line.find("</details>") != std::string::npos) {
      in_hint = false;
    } else if (in_hint) {
      steps.back().hints.back().text += line + "\n";
    }
  }
  for (auto& step : steps) {
    for (auto& hint : step.hints) hint.text = trimmed(hint.text);
  }
  return steps;
}

}  // namespace workshop
