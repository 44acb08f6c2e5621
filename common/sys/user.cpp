#include "common/sys/user.hpp"

#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>

#include "common/sys/error.hpp"
#include "common/sys/user_namespace.hpp"

namespace workshop {

std::optional<User> ordinary_user() {
  const auto as_user = [](const passwd* entry) {
    return User{entry->pw_uid, entry->pw_gid, entry->pw_name, entry->pw_dir};
  };
  if (!is_root_of_machine()) {
    const passwd* self = ::getpwuid(::geteuid());
    return self != nullptr ? std::optional(as_user(self)) : std::nullopt;
  }
  const char* caller = std::getenv("SUDO_USER");
  for (const char* name : {caller != nullptr ? caller : "", "workshop"}) {
    const passwd* entry = ::getpwnam(name);
    if (entry != nullptr && entry->pw_uid != 0) return as_user(entry);
  }
  return std::nullopt;
}

void become(uid_t uid, gid_t gid, std::span<const gid_t> groups) {
  // In this order: who is no longer root can change nothing more.
  check(::setgroups(groups.size(), groups.data()), "setgroups()");
  check(::setgid(gid), "setgid({})", gid);
  check(::setuid(uid), "setuid({})", uid);
}

}  // namespace workshop
