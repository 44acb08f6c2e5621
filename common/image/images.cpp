#include "common/image/images.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/image/name.hpp"
#include "common/sys/process.hpp"

namespace workshop {
namespace {

bool is_program(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::string parent_of(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

/// The `image` tool: beside this program, or one folder up (bin/image and bin/solutions/level02).
std::string image_tool() {
  std::string path(4096, '\0');
  const auto length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length > 0) {
    const std::string folder = parent_of(path.substr(0, length));
    for (const std::string& candidate : {folder + "/image", parent_of(folder) + "/image"}) {
      if (is_program(candidate)) return candidate;
    }
  }
  const char* tool = std::getenv("WORKSHOP_IMAGE_TOOL");
  if (tool && is_program(tool)) return tool;
  throw std::runtime_error(
      "cannot find the 'image' program, which belongs beside this one: build it, or name it in "
      "$WORKSHOP_IMAGE_TOOL");
}

/// Runs the tool under our name, so that its messages are ours.
void run_tool(const std::string& subcommand, const std::string& store,
              const std::vector<std::string>& operands) {
  std::vector<std::string> argv{program_name(), subcommand, "--store", store, "--"};
  argv.insert(argv.end(), operands.begin(), operands.end());
  if (run_helper(image_tool(), argv) != 0) throw AlreadyReported();
}

std::vector<std::string> strings(const nlohmann::json& config, const char* key) {
  const auto value = config.find(key);
  if (value == config.end() || value->is_null()) return {};
  return value->get<std::vector<std::string>>();
}

}  // namespace

void pull(const std::string& image, const std::string& store) {
  run_tool("pull", store, {image});
}

void extract(const std::string& image, const std::string& destination, const std::string& store) {
  run_tool("extract", store, {image, destination});
}

std::string image_root(const std::string& image, const std::string& store) {
  const std::string rootfs = rootfs_of(ImageName::parse(image), store);
  if (::access(rootfs.c_str(), F_OK) != 0) run_tool("unpack", store, {image});
  return rootfs;
}

ImageConfig image_config(const std::string& image, const std::string& store) {
  const std::string path = config_of(ImageName::parse(image), store);
  std::ifstream file(path);
  if (!file) throw_error(errno, fmt::format("open(\"{}\")", path));
  try {
    const auto json = nlohmann::json::parse(file);
    const auto config = json.value("config", nlohmann::json::object());
    if (config.is_null()) return {};
    ImageConfig result{strings(config, "Entrypoint"), strings(config, "Cmd"), strings(config, "Env"), ""};
    if (const auto directory = config.find("WorkingDir");
        directory != config.end() && directory->is_string()) {
      result.working_directory = *directory;
    }
    return result;
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(
        fmt::format("{} is no image configuration ({}): unpack the image again with "
                    "'image rm {}' and 'image pull {}'",
                    path, error.what(), image, image));
  }
}

}  // namespace workshop
