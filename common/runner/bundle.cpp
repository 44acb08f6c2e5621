// `./workshop bundle save FILE [IMAGE...]` and `bundle load FILE`: images for a room without a network.

#include <limits>

#include "common/runner/command.hpp"
#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// Those asked for, else all that the store has.
std::vector<std::string> images_to_save(const Arguments& arguments, const std::string& image) {
  if (arguments.words.size() > 2) return {arguments.words.begin() + 2, arguments.words.end()};
  std::vector<std::string> names;
  const int status =
      run_by_line({{image, "list", "-q"}}, [&](const std::string& name) { names.push_back(name); });
  if (status != 0) throw AlreadyReported();
  return names;
}

int save_bundle(const std::string& image, const std::string& file, const std::vector<std::string>& names) {
  std::vector<std::string> command = {image, "save", "-o", file, "--"};
  command.insert(command.end(), names.begin(), names.end());
  const int status = run({command});
  if (status != 0) return status;
  print(fmt::format("{} image{} in {}. On the other machine: ./workshop bundle load {}\n", names.size(),
                    names.size() == 1 ? "" : "s", file, std::filesystem::path(file).filename().string()));
  print("For levels 1 and 2, which root runs, there: sudo ./workshop bundle load ...\n");
  return 0;
}

}  // namespace

int bundle_images(const Arguments& arguments) {
  arguments.allow(std::numeric_limits<std::size_t>::max());
  const std::string action = arguments.words.empty() ? "" : arguments.words[0];
  if ((action != "save" && action != "load") || arguments.words.size() < 2) {
    throw UsageError("bundle save FILE [IMAGE...], or bundle load FILE");
  }
  const std::string image = own_build() / "bin/image", file = arguments.words[1];
  if (action == "save") return save_bundle(image, file, images_to_save(arguments, image));
  if (arguments.words.size() > 2) throw UsageError("bundle load takes one file, and all that is in it");
  return run({{image, "import", "--", file}});
}

}  // namespace workshop
