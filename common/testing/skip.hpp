#pragma once

#include <string>

namespace workshop::testing {

/// Marks the running test case as skipped; Catch2 2.13 has no such thing. The caller returns from the test.
/// Where $WORKSHOP_NO_SKIP is set the test fails instead: what cannot be tested there is a defect.
void skip(const std::string& reason);

/// What main() does before it hands over to Catch2; null for tests that need nothing.
extern void (*before_tests)(char** argv);

}  // namespace workshop::testing

/// Skips the rest of the test case.
#define WORKSHOP_SKIP(reason)            \
  do {                                   \
    ::workshop::testing::skip((reason)); \
    return;                              \
  } while (false)
