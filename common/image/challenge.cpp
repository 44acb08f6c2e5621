#include "common/image/challenge.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>

namespace workshop {
namespace {

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

/// A value, quoted or not, from `position` on, which moves behind it.
std::string take_value(const std::string& text, std::size_t& position) {
  std::string value;
  if (position >= text.size() || text[position] != '"') {
    const auto end = std::min(text.find_first_of(", ", position), text.size());
    value = text.substr(position, end - position);
    position = end;
    return value;
  }
  for (++position; position < text.size() && text[position] != '"'; ++position) {
    if (text[position] == '\\' && position + 1 < text.size()) ++position;
    value += text[position];
  }
  return value;
}

}  // namespace

Challenge Challenge::parse(const std::string& header) {
  const auto space = header.find(' ');
  Challenge challenge{lower(header.substr(0, space)), {}};
  if (space == std::string::npos) return challenge;
  std::size_t position = space;
  for (;;) {
    const auto begin = header.find_first_not_of(" ,\"", position);
    const auto equals = header.find('=', position);
    if (begin == std::string::npos || equals == std::string::npos || equals < begin) return challenge;
    position = equals + 1;
    const std::string name = lower(header.substr(begin, equals - begin));
    challenge.parameters[name] = take_value(header, position);
  }
}

std::string url_encoded(const std::string& text) {
  std::string result;
  for (const unsigned char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string("-._~").find(static_cast<char>(c)) != std::string::npos;
    result += plain ? std::string(1, static_cast<char>(c)) : fmt::format("%{:02X}", c);
  }
  return result;
}

}  // namespace workshop
