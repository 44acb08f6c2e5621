#pragma once

#include <string>

namespace workshop {

/// In a user namespace, root that the machine does not know as root (level 4's `run`) works on a store as the
/// store's owner: as root it would leave files there which the user could not remove outside. Elsewhere:
/// nothing.
void act_as_owner_of(const std::string& store);

/// Root again while it lives, for what is not in the store: `extract` gives files their owners.
class ActAsOurselves {
 public:
  ActAsOurselves();
  ~ActAsOurselves();
  ActAsOurselves(const ActAsOurselves&) = delete;
  ActAsOurselves& operator=(const ActAsOurselves&) = delete;
};

}  // namespace workshop
