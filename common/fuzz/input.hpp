#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace workshop::fuzz {

/// Runs `function`, which may refuse what it is given: an exception is an answer, and anything else a
/// finding.
template <class Function>
void may_refuse(Function&& function) {
  try {
    function();
  } catch (const std::exception&) {
  }
}

inline std::string text(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

}  // namespace workshop::fuzz
