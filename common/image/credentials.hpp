#pragma once

#include <optional>
#include <string>

namespace workshop {

/// What `docker login` keeps for a registry.
struct Credentials {
  std::string basic;           ///< base64 of "user:password", as the Basic scheme has it; or empty
  std::string identity_token;  ///< an OAuth refresh token instead of a password; or empty
};

/// From $DOCKER_CONFIG/config.json or ~/.docker/config.json, "auths". Nothing if there is no file or no entry
/// for the registry ("docker.io", "127.0.0.1:5000"); throws std::runtime_error if the file makes no sense.
std::optional<Credentials> credentials_for(const std::string& registry);

}  // namespace workshop
