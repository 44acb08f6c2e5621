#pragma once

#include <string>

namespace workshop {

/// Text as a person on a terminal sees it; plain in a pipe, with NO_COLOR set (no-color.org) and on
/// TERM=dumb.
std::string bold(const std::string& text);
std::string faint(const std::string& text);
std::string green(const std::string& text);
std::string yellow(const std::string& text);
std::string red(const std::string& text);

/// Whether standard output is a terminal, and whether it takes colours.
bool on_terminal();
bool is_colourful();

/// Markdown text for a terminal: paragraphs folded at 80 columns and indented, code as it is.
std::string indented(const std::string& text);

/// One line on standard error about work that takes a while, replaced by the next and gone at the end. Where
/// that is no terminal only `title` is written, once, and only if there is any progress.
class Progress {
 public:
  explicit Progress(std::string title) : title_(std::move(title)) {}
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Shows the title at once, on a terminal; elsewhere the first show() does.
  void begin();
  void show(const std::string& detail);
  void clear();

 private:
  std::string title_;
  bool shown_ = false;
};

/// Writes to standard output at once: lines of ours and of programs that we run come in their order.
void print(const std::string& text);

}  // namespace workshop
