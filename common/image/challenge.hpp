#pragma once

#include <map>
#include <string>

namespace workshop {

/// What a registry wants before it answers: the header WWW-Authenticate (RFC 9110, section 11.6.1), as in
/// `Bearer realm="https://auth.docker.io/token",service="registry.docker.io"`.
struct Challenge {
  std::string scheme;                             ///< in lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  ///< names in lower case

  /// What is no challenge has no scheme that anybody knows.
  static Challenge parse(const std::string& header);
};

/// As a part of a query: everything but letters, digits and "-._~" as %XX.
std::string url_encoded(const std::string& text);

}  // namespace workshop
