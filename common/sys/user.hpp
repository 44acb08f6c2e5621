#pragma once

#include <sys/types.h>

#include <optional>
#include <span>
#include <string>

namespace workshop {

struct User {
  uid_t uid;
  gid_t gid;
  std::string name, home;
};

/// The ordinary user for whom levels 3 to 5 are: who runs this program; where that is root, who called sudo,
/// else the user `workshop`, which set-up makes. Nothing where there is none.
std::optional<User> ordinary_user();

/// Gives the process, which is root's, other ids, and no other groups than `groups`.
void become(uid_t uid, gid_t gid, std::span<const gid_t> groups = {});

}  // namespace workshop
