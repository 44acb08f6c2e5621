#include "common/image/default_store.hpp"

#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "common/image/images.hpp"
#include "common/sys/user_namespace.hpp"

namespace workshop {
namespace {

/// A variable's value; empty means unset, as for all of them here (XDG Base Directory Specification).
std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

std::string home_of(uid_t user) {
  const passwd* entry = ::getpwuid(user);
  return entry ? entry->pw_dir : "";
}

}  // namespace

std::string default_store() {
  if (const auto store = environment("WORKSHOP_STORE"); !store.empty()) return store;
  if (is_root_of_machine()) return "/var/lib/workshop";
  // The specification wants relative paths there ignored.
  if (const auto data = environment("XDG_DATA_HOME"); !data.empty() && data[0] == '/')
    return data + "/workshop";
  std::string home = environment("HOME");
  if (home.empty()) home = home_of(::getuid());
  if (home.empty()) throw std::runtime_error("no home folder for the image store: give one with --store DIR");
  return home + "/.local/share/workshop";
}

std::string store_of_sudo_caller() {
  const std::string user = environment("SUDO_UID");
  if (user.empty() || user.find_first_not_of("0123456789") != std::string::npos || !is_root_of_machine())
    return "";
  const std::string home = home_of(static_cast<uid_t>(std::strtoul(user.c_str(), nullptr, 10)));
  return home.empty() ? "" : home + "/.local/share/workshop";
}

}  // namespace workshop
