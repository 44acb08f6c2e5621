#pragma once

#include <string>

namespace workshop {

/// Whether we are root of the machine: with user id 0 in the initial user namespace. Root of a user namespace
/// has user id 0 as well, and /proc/self/uid_map says that it is somebody else outside (user_namespaces(7)).
bool is_root_of_machine();

/// Why this machine may have refused a user namespace, or what one is for, with errno `error`, and the
/// command that mends it; empty where nothing known is the cause. Looks at the limits under `sysctl`:
/// user.max_user_namespaces (namespaces(7)), Debian's former kernel.unprivileged_userns_clone, and Ubuntu's
/// kernel.apparmor_restrict_unprivileged_userns, with which the namespace is made but has no capabilities.
std::string user_namespace_hint(int error, const std::string& sysctl = "/proc/sys");

}  // namespace workshop
