#pragma once

#include <iosfwd>
#include <string>

#include "common/tests/scratch.hpp"

namespace workshop::testing {

/// What a shell script did.
struct Outcome {
  std::string script;
  int status;  ///< exit status, 128 + N for signal N
  std::string out;
  std::string err;
};

std::ostream& operator<<(std::ostream& stream, const Outcome& outcome);

/// Runs a script in the scratch directory. `image` and the levels are in its PATH; $STORE is `store` in the
/// scratch directory and is what `image` uses. It is less
/// patient than usual (WORKSHOP_PATIENCE).
Outcome run(const Scratch& scratch, const std::string& script);

/// Whether `text` is one line, and `part` is in it: an error message.
bool is_one_line_with(const std::string& text, const std::string& part);

/// The folder of the built programs.
std::string program_folder();

}  // namespace workshop::testing

/// Requires that the script succeeds.
#define WORKSHOP_RUN(scratch, script)                           \
  do {                                                          \
    const auto ran = ::workshop::testing::run(scratch, script); \
    INFO(ran);                                                  \
    REQUIRE(ran.status == 0);                                   \
  } while (false)

/// Requires that the script fails as a program of ours does: status 125, and one line of error with `part` in
/// it.
#define WORKSHOP_REFUSED(scratch, script, part)                    \
  do {                                                             \
    const auto ran = ::workshop::testing::run(scratch, script);    \
    INFO(ran);                                                     \
    INFO("expected in one line of error: " << (part));             \
    REQUIRE(ran.status == 125);                                    \
    REQUIRE(::workshop::testing::is_one_line_with(ran.err, part)); \
  } while (false)
