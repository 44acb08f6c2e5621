#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace workshop {

/// A section of a level's chapter that is about a step:
///
///     ### Step 2: keep our mounts to ourselves        or "### Bonus step 7: ..."
///     <details>
///     <summary>Hint 1: which call</summary>
///     text
///     </details>
struct ChapterStep {
  int number = 0;
  std::string title;
  std::size_t line = 0;  ///< of the heading, from 1

  struct Hint {
    std::string summary;  ///< "Hint 1: which call"
    std::string text;     ///< Markdown, without blank lines around it
  };
  std::vector<Hint> hints;
};

/// The steps of a chapter in their order. Other headings end a step's section.
std::vector<ChapterStep> parse_chapter(const std::string& text);

}  // namespace workshop
