#include "common/image/say.hpp"

#include "common/image/progress.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

bool quiet = false;
Progress* progress = nullptr;

}  // namespace

void set_progress(Progress* now) {
  progress = now;
}

void be_quiet() {
  quiet = true;
}

bool is_quiet() {
  return quiet;
}

void say(const std::string& message) {
  if (quiet) return;
  if (progress) return progress->print(message);
  report(message);
}

std::string human_size(unsigned long long bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double size = static_cast<double>(bytes);
  const char* units = "kMGTPE";
  for (size /= 1000; size >= 999.95 && units[1] != '\0'; size /= 1000) ++units;
  return fmt::format("{:.1f} {}B", size, *units);
}

}  // namespace workshop
