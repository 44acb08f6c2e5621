#pragma once

#include <string>

#include "common/testing/sandbox.hpp"

namespace workshop::testing {

/// A real terminal in a sandbox, 80 by 24, with an interactive shell of the host in it: tmux(1), which types
/// what a person would and shows what a person would see. Ends with the sandbox.
class Terminal {
 public:
  explicit Terminal(const Sandbox& host);

  /// Types a line and Enter.
  void type(const std::string& line) const;
  /// Presses a key as tmux names it: "C-c", "Escape".
  void press(const std::string& key) const;
  void resize(int columns, int rows) const;

  /// What is on the screen, lines that have scrolled out of it included.
  std::string screen() const;
  /// Waits until `text` is on the screen. False when it does not come.
  bool shows(const std::string& text) const;

 private:
  void tmux(const std::string& arguments) const;

  const Sandbox& host_;
};

}  // namespace workshop::testing

/// Requires that the terminal comes to show `text`; a failure shows the screen.
#define WORKSHOP_SHOWS(terminal, text)                                             \
  do {                                                                             \
    if (!(terminal).shows(text))                                                   \
      FAIL("\"" << (text) << "\" is not on the screen:\n" << (terminal).screen()); \
    SUCCEED();                                                                     \
  } while (false)
