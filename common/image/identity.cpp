#include "common/image/identity.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>

#include "common/image/default_store.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

struct Owner {
  uid_t user;
  gid_t group;
};

std::optional<Owner> owner;  // if we act as somebody
Owner ourselves;

/// The owner of the folder, or of the nearest one above it that exists.
Owner owner_of(std::string path) {
  struct stat status {};
  while (::stat(path.empty() ? "/" : path.c_str(), &status) == -1) {
    const auto slash = path.rfind('/');
    if (slash == std::string::npos) return owner_of(".");
    path.erase(slash);
  }
  return {status.st_uid, status.st_gid};
}

/// The group first: root alone may change it. The real and saved ids stay, so that there is a way back
/// (setresuid(2)).
void become(const Owner& other) {
  check(::seteuid(0), "seteuid(0)");
  check(::setegid(other.group), "setegid({})", other.group);
  check(::seteuid(other.user), "seteuid({})", other.user);
  ::prctl(PR_SET_DUMPABLE, 1);  // changing ids clears it, and with it goes our access to /proc/self (proc(5))
}

}  // namespace

void act_as_owner_of(const std::string& store) {
  if (::geteuid() != 0 || is_root_of_machine()) return;
  const Owner found = owner_of(store);
  // Unmapped ids show as 65534 and cannot be taken on.
  if (found.user == 0 || found.user == 65534 || found.group == 65534) return;
  ourselves = {::geteuid(), ::getegid()};
  owner = found;
  become(*owner);
}

ActAsOurselves::ActAsOurselves() {
  if (owner) become(ourselves);
}

ActAsOurselves::~ActAsOurselves() {
  if (owner) become(*owner);
}

}  // namespace workshop
