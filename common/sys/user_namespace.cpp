#include "common/sys/user_namespace.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "common/sys/fd.hpp"

namespace workshop {
namespace {

struct Limit {
  const char* file;
  char refused;  // what the file begins with where user namespaces are refused
  const char* hint;
};

constexpr Limit kLimits[] = {
    {"/user/max_user_namespaces", '0',
     "user namespaces are switched off here (user.max_user_namespaces is 0); this switches them on: "
     "sudo sysctl user.max_user_namespaces=15000"},
    {"/kernel/unprivileged_userns_clone", '0',
     "user namespaces are for root only here (kernel.unprivileged_userns_clone is 0); this opens them: "
     "sudo sysctl kernel.unprivileged_userns_clone=1"},
    {"/kernel/apparmor_restrict_unprivileged_userns", '1',
     "AppArmor takes all capabilities from an unprivileged program's user namespace here (Ubuntu since "
     "23.10); this "
     "lifts it until the next boot: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
};

}  // namespace

bool is_root_of_machine() {
  if (::geteuid() != 0) return false;
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> map(std::fopen("/proc/self/uid_map", "re"),
                                                            std::fclose);
  // Without the file there is no /proc, or no user namespaces at all.
  if (!map) return true;
  unsigned long inside = 0;
  unsigned long outside = 0;
  unsigned long count = 0;
  const int fields = std::fscanf(map.get(), "%lu %lu %lu", &inside, &outside, &count);
  return fields == 3 && inside == 0 && outside == 0 && count == 4294967295;
}

std::string user_namespace_hint(int error, const std::string& sysctl) {
  // ENOSPC: the limit on their number is reached (clone(2)). The restrictions say EPERM or EACCES.
  if (error != EPERM && error != EACCES && error != ENOSPC) return "";
  for (const Limit& limit : kLimits) {
    const unique_fd file(::open((sysctl + limit.file).c_str(), O_RDONLY | O_CLOEXEC));
    char value[2] = {};  // the first character, and the one that would make it another number
    if (!file || ::read(file.get(), value, sizeof value) < 1) continue;
    if (value[0] == limit.refused && (value[1] == '\n' || value[1] == '\0')) return limit.hint;
  }
  return "";
}

}  // namespace workshop
