#pragma once

#include <fmt/core.h>

#include <cerrno>
#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

namespace workshop {

/// Exit statuses with a meaning of their own, as shells and container runtimes use them.
enum ExitStatus : int {
  kFailed = 125,         ///< our own program failed, the command was not started
  kNotExecutable = 126,  ///< the command is there but cannot be executed
  kNotFound = 127,       ///< the command does not exist
  kSignalBase = 128,     ///< plus the number of the signal that ended the command
};

/// A failure that somebody else (a helper program) has already told the user about: end, and say nothing
/// more.
struct AlreadyReported : std::exception {
  const char* what() const noexcept override { return "already reported"; }
};

/// A mistake on the command line; shown with a pointer to --help.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Throws std::system_error for `error` (an errno value) with the text "CALL: what the error means".
[[noreturn]] void throw_error(int error, const std::string& call);

/// Hands on the result of a system call that says -1 and errno when it fails (intro(2)); throws
/// std::system_error then, with the call as the user should read it:
///
///     check(::chroot(root.c_str()), "chroot(\"{}\")", root);
///
/// Only for calls of that convention: not for those that return an error number (posix_spawn, pthread_*).
template <class Result, class... Args>
Result check(Result result, fmt::format_string<Args...> call, Args&&... args) {
  if (result != static_cast<Result>(-1)) return result;
  const int error = errno;  // before anything below can change it
  throw_error(error, fmt::format(call, std::forward<Args>(args)...));
}

/// Throws, with the way out in the message, unless the process is root: of the machine or of a user
/// namespace.
void require_root();

/// The name messages begin with: the program's file name, as in "level02: ...".
const char* program_name();

/// Text from elsewhere, as a terminal may show it: control characters, which it would obey, become "?"; ends
/// of lines and tabs stay.
std::string printable(std::string text);

/// Prints "PROGRAM: MESSAGE" on standard error as one write, so that two processes' lines do not mix.
/// It is made printable().
void report(const std::string& message);

/// Tells the user about the exception being handled and gives the exit status for it: kFailed. Only inside a
/// catch block. The boundary of every program of ours:
///
///     try { return run(...); } catch (...) { return workshop::report_exception(); }
int report_exception();

}  // namespace workshop
