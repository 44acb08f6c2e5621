#pragma once

#include <string>

namespace workshop {

/// Whether we are root of the machine: with user id 0 in the initial user namespace. Root of a user namespace
/// has user id 0 as well, and /proc/self/uid_map says that it is somebody else outside (user_namespaces(7)).
bool is_root_of_machine();

/// Under sudo, the default store of the user who called it ($SUDO_UID, sudo(8)); otherwise empty.
std::string store_of_sudo_caller();

}  // namespace workshop
