#pragma once

#include "common/image/unpack.hpp"

namespace workshop {

/// Where a command finds the images it is asked for.
class Lookup {
 public:
  explicit Lookup(Store& own) : own_(own) {}

  /// The image from the store; the built-in one is made if it is not there; under sudo, one that only the
  /// calling user's default store has is read from there. Throws std::runtime_error that says which names
  /// come near.
  Image require(const std::string& name);

  /// The error for an image that is not there.
  [[noreturn]] void refuse(const ImageName& name) const;

 private:
  Store& own_;
  std::optional<Store> callers_;
};

}  // namespace workshop
