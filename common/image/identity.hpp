#pragma once

#include <string>

namespace workshop {

/// In a user namespace root works on a store as the store's owner (level 4's `run`), or, where that is root
/// itself, without the power to give files away: what is left in it, the user must be able to remove outside.
/// Elsewhere: nothing.
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
