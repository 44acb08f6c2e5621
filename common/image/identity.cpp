#include "common/image/identity.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
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
bool may_not_chown = false;  // the store is ours: of root's powers only this one is put aside

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

/// Puts CAP_CHOWN aside, or takes it up again (capabilities(7)). For this thread, which is the one that
/// unpacks.
void allow_chown(bool allow) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
  check(::syscall(SYS_capget, &header, sets), "capget()");
  const std::uint32_t chown = 1U << CAP_CHOWN;
  sets[0].effective = allow ? sets[0].effective | (sets[0].permitted & chown) : sets[0].effective & ~chown;
  check(::syscall(SYS_capset, &header, sets), "capset()");
}

void act(bool as_owner) {
  if (may_not_chown) return allow_chown(!as_owner);
  become(as_owner ? *owner : ourselves);
}

}  // namespace

void act_as_owner_of(const std::string& store) {
  if (::geteuid() != 0 || is_root_of_machine()) return;
  const Owner found = owner_of(store);
  // Unmapped ids show as 65534 and cannot be taken on.
  if (found.user == 65534 || found.group == 65534) return;
  ourselves = {::geteuid(), ::getegid()};
  owner = found;
  may_not_chown = found.user == 0;
  act(true);
}

ActAsOurselves::ActAsOurselves() {
  if (owner) act(false);
}

ActAsOurselves::~ActAsOurselves() {
  if (owner) act(true);
}

}  // namespace workshop
