#include "common/image/credentials.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/image/files.hpp"

namespace workshop {
namespace {

std::string config_path() {
  if (const char* folder = std::getenv("DOCKER_CONFIG"); folder && *folder)
    return folder + std::string("/config.json");
  const char* home = std::getenv("HOME");
  return home && *home ? home + std::string("/.docker/config.json") : "";
}

/// "https://index.docker.io/v1/", "https://host:5000/v2/", "host:5000": the key as the host alone.
std::string host_of(std::string key) {
  if (const auto scheme = key.find("://"); scheme != std::string::npos) key.erase(0, scheme + 3);
  key = key.substr(0, key.find('/'));
  return key == "index.docker.io" || key == "registry-1.docker.io" ? "docker.io" : key;
}

std::string text(const nlohmann::json& object, const char* key) {
  return object.is_object() ? object.value(key, "") : "";
}

}  // namespace

std::optional<Credentials> credentials_for(const std::string& registry) {
  const std::string path = config_path();
  if (path.empty() || ::access(path.c_str(), R_OK) == -1) return std::nullopt;
  try {
    const auto config = nlohmann::json::parse(read_document(file_source(path)));
    const auto registries = config.value("auths", nlohmann::json::object());
    for (const auto& [key, entry] : registries.items()) {
      if (host_of(key) != registry) continue;
      Credentials found{text(entry, "auth"), text(entry, "identitytoken")};
      if (!found.basic.empty() || !found.identity_token.empty()) return found;
    }
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(
        fmt::format("{} makes no sense ({}): log in again with 'docker login {}', or mend it", path,
                    error.what(), registry));
  }
  return std::nullopt;
}

}  // namespace workshop
