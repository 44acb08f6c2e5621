#pragma once

#include <string>

#include "common/sys/user_namespace.hpp"

namespace workshop {

/// Under sudo, the default store of the user who called it ($SUDO_UID, sudo(8)); otherwise empty.
std::string store_of_sudo_caller();

}  // namespace workshop
