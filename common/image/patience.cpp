#include "common/image/patience.hpp"

#include <fmt/core.h>

#include <cstdlib>
#include <stdexcept>

namespace workshop {

double patience() {
  const char* text = std::getenv("WORKSHOP_PATIENCE");
  if (!text || !*text) return 1;
  char* end = nullptr;
  const double factor = std::strtod(text, &end);
  if (*end == '\0' && factor > 0 && factor <= 1000) return factor;
  throw std::runtime_error(fmt::format(
      "WORKSHOP_PATIENCE={} makes no sense: it is a factor, 1 being usual and 1000 the most", text));
}

}  // namespace workshop
