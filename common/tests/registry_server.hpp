#pragma once

#include <sys/types.h>

#include <string>

#include "common/tests/scratch.hpp"

namespace workshop::testing {

/// The configuration of a registry as people run it, in YAML; more may be added at its end. ADDRESS and DATA
/// stand for the address it listens at and the folder it keeps things in.
std::string plain_registry();

/// A real registry, Debian's docker-registry, on a port of loopback that was free. Ends with the object.
class RegistryServer {
 public:
  explicit RegistryServer(const std::string& configuration = plain_registry());
  ~RegistryServer();
  RegistryServer(const RegistryServer&) = delete;
  RegistryServer& operator=(const RegistryServer&) = delete;

  /// "127.0.0.1:PORT"
  const std::string& address() const { return address_; }

  /// Copies an image there with skopeo; `source` is as skopeo names it ("oci:layout:name", relative to
  /// `scratch`).
  void push(const Scratch& scratch, const std::string& source, const std::string& name) const;

  /// Changes one byte in the middle of the registry's copy of a blob.
  void damage(const std::string& digest) const;

  /// Its file of a blob.
  std::string blob(const std::string& digest) const;

 private:
  bool start(const std::string& configuration);

  Scratch scratch_;
  std::string address_;
  pid_t pid_ = -1;
};

/// Why there can be no RegistryServer here, or an empty string.
std::string no_registry_because();

/// The archive of a real Debian root file system, made by mmdebstrap once for a build folder; empty, and a
/// reason in `why_not`, if it cannot be made.
std::string debian_archive(std::string& why_not);

}  // namespace workshop::testing
