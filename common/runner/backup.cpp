#include "common/runner/backup.hpp"

#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

std::filesystem::path unused_name(const std::filesystem::path& file) {
  for (int number = 1;; ++number) {
    const std::filesystem::path name = fmt::format("{}.~{}~", file.string(), number);
    if (!std::filesystem::exists(std::filesystem::symlink_status(name))) return name;
  }
}

}  // namespace

void replace_keeping_backup(const Project& project, const std::filesystem::path& file,
                            const std::string& text) {
  const std::string before = std::filesystem::exists(file) ? read_file(file) : "";
  if (before == text) {
    print(fmt::format("{} is like that already: nothing to do.\n", project.shown(file)));
    return;
  }
  const std::filesystem::path backup = unused_name(file);
  write_file(project, backup, before);
  write_file(project, file, text);
  print(fmt::format("Your file is kept. To have it back:\n  cp '{}' '{}'\n", project.shown(backup),
                    project.shown(file)));
}

}  // namespace workshop
