#pragma once

#include "common/tests/sample_image.hpp"

namespace workshop::testing {

/// The image of the tables: two layers, with a file each, file1 and file2.
const SampleImage& sample();

/// What a registry does to a pull, and what the pull must say.
struct FaultRow {
  const char* what;
  FaultyRegistry::Fault fault;
  std::string says;  ///< in its one line of error, with status 125; empty: the pull succeeds in spite of it
  FaultyRegistry::Content content = sample().content();
};

/// Pulls with the fault. A failed pull leaves no image and a store that verifies, and puts no control
/// character on the terminal. Then the registry is mended: the next pull of the same store succeeds, which
/// also is the control that the fault alone was the reason.
void judge(const FaultRow& row);

/// The fault for requests whose path has `part` in it; `first`: only the first one for a path.
FaultyRegistry::Fault on(const std::string& part, std::function<Reply(Reply good)> fault);
FaultyRegistry::Fault first(const std::string& part, std::function<Reply(Reply good)> fault);

}  // namespace workshop::testing
