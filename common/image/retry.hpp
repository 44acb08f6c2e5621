#pragma once

#include <atomic>
#include <string>

namespace workshop {

/// How often, and after what pauses, something is tried again: after 1, 2, 4 and 8 seconds (a part of it left
/// to chance, so that forty laptops do not come back at the same moment), or what the server's Retry-After
/// says. $WORKSHOP_PATIENCE scales the pauses.
class Retry {
 public:
  /// `cancelled`, which may be null, ends the waiting.
  explicit Retry(const std::atomic<bool>* cancelled = nullptr) : cancelled_(cancelled) {}

  /// Another try is due: says why and waits. False if there have been enough, or the server wants a longer
  /// pause than anybody would sit through.
  bool wait(const std::string& reason, const std::string& retry_after = "");

  /// Something came through: count from the beginning.
  void progress() { tries_ = 0; }

 private:
  const std::atomic<bool>* cancelled_;
  int tries_ = 0;
  int all_ = 0;
};

}  // namespace workshop
