#pragma once

#include <string>
#include <vector>

namespace workshop::testing {

/// What a chapter says that one does and sees: a command with what it prints, or a file to be saved. The
/// format is described at the top of level01-chroot/README.md.
struct Action {
  int line;                         ///< in the chapter, from 1
  std::string file;                 ///< a file to be saved; then `text` is its contents
  std::string text;                 ///< otherwise the command
  std::vector<std::string> output;  ///< the lines that the command prints
};

/// The actions of a chapter, in order. Throws std::runtime_error, with the line, for a console block that is
/// neither run nor marked no-run, and for one that does not begin with a command.
std::vector<Action> parse_chapter_actions(const std::string& chapter);

/// Whether what was printed is what the chapter shows. "…" in a line stands for anything in that line, a line
/// that is only "…" for any number of lines.
bool looks_like(const std::string& printed, const std::vector<std::string>& shown);

}  // namespace workshop::testing
