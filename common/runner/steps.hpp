#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace workshop {

/// A block of a level's file, the part that a learner writes:
///
///     // TODO(level02.2): keep our mounts to ourselves.     "STEP" instead of "TODO" in the solution
///     // END(level02.2)
struct Block {
  std::string id;         ///< "level02.2"
  int step = 0;           ///< 2
  std::string title;      ///< what follows the colon, without its full stop
  std::size_t first = 0;  ///< number of the marker's line, from 1
  std::size_t last = 0;   ///< number of the END line
  bool is_todo = false;   ///< the marker says TODO
};

/// A step of a level. It may have several blocks.
struct Step {
  int number = 0;
  std::string title;      ///< that of its first block, without "bonus: "
  bool is_bonus = false;  ///< the title begins with "bonus:"
  std::size_t line = 0;   ///< where its first block begins, from 1
};

/// A level's file cut at its blocks.
struct StepFile {
  std::filesystem::path path;
  std::vector<std::string> lines;
  std::vector<Block> blocks;  ///< in the order of the file

  /// The steps by number.
  std::vector<Step> steps() const;
  /// The lines of a block, markers included.
  std::vector<std::string> text_of(const Block& block) const;
  /// The n-th block of `step` (from 0), or null.
  const Block* block(int step, std::size_t n) const;
  /// The file with each block replaced by its id: equal for a skeleton and its solution.
  std::string outline() const;
};

/// Cuts `text` at its blocks. Throws std::runtime_error "PATH:LINE: ..." where markers do not pair up: an END
/// without beginning, a block in a block, one that does not end.
StepFile parse_steps(const std::filesystem::path& path, const std::string& text);

/// The same for a file.
StepFile read_steps(const std::filesystem::path& path);

/// The text of `file` where the blocks of those steps that `wanted` chooses are replaced by those of
/// `source`. Throws std::runtime_error where the two do not have the same blocks.
std::string with_blocks_of(const StepFile& file, const StepFile& source,
                           const std::function<bool(int step)>& wanted);

/// Lines with an end of line each.
std::string join_lines(const std::vector<std::string>& lines);
std::vector<std::string> split_lines(const std::string& text);
/// `text` with `to` for every `from`.
std::string replaced(std::string text, const std::string& from, const std::string& to);

}  // namespace workshop
