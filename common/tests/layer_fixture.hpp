#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/image/layer.hpp"
#include "common/tests/archive.hpp"

namespace workshop::testing {

/// Applies the layers to a directory.
ExtractionNotices extract(const std::vector<std::string>& layers, const std::string& destination,
                          const ExtractionLimits& limits = {});

/// Names and contents alone: "a/" for a directory, "a" → "text", "a" → "-> target", "a" → "| fifo".
std::map<std::string, std::string> names_in(const std::string& directory);

// Entries of which only name and content matter.
Entry file(const std::string& name, const std::string& text);
Entry directory(const std::string& name);
Entry link(const std::string& name, const std::string& target);
Entry hard_link(const std::string& name, const std::string& target);
Entry whiteout(const std::string& name);

}  // namespace workshop::testing
