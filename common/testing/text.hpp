#pragma once

#include <string>

namespace workshop::testing {

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// The text with `fresh` in the place of the first `old`. Throws std::out_of_range if there is none.
inline std::string substituted(std::string text, const std::string& old, const std::string& fresh) {
  return text.replace(text.find(old), old.size(), fresh);
}

}  // namespace workshop::testing
