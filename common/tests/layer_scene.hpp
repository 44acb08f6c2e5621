#pragma once

#include <string>
#include <vector>

#include "common/tests/scratch.hpp"

namespace workshop::testing {

/// A destination and, beside it, what is not to be touched: outside/secret (mode 0600) and outside/d/file.
struct Scene {
  Scratch scratch;
  std::string destination = scratch.directory("destination");
  std::string outside = scratch.directory("outside");

  Scene();

  /// What has changed outside, in any way, and what is new beside it; "" if nothing.
  std::string harm() const;

 private:
  Snapshot look() const;
  Snapshot before_;
};

/// Applies the layers to a directory; returns the message of the error with which they are refused.
std::string apply_layers(const std::string& destination, const std::vector<std::string>& layers);

}  // namespace workshop::testing
