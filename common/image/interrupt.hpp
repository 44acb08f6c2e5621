#pragma once

#include <exception>

namespace workshop {

/// Ctrl-C, or another polite request to end: travels up like any failure, so that whatever is half done is
/// undone.
struct Interrupted : std::exception {
  const char* what() const noexcept override { return "interrupted"; }
};

/// From here on INT, TERM and HUP only set a flag.
void catch_interrupts();

/// Whether one of them came.
bool is_interrupted();

/// Throws Interrupted if one of them came. Called wherever bytes are moved.
void throw_if_interrupted();

/// Cleaning up begins: from here on throw_if_interrupted() does nothing.
void ignore_interrupts();

/// Ends the process by the signal that came, now that all is cleaned up: the caller's shell must see it.
[[noreturn]] void end_by_interrupt();

}  // namespace workshop
