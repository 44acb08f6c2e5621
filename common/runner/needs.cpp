#include "common/runner/needs.hpp"

#include <cstdlib>

#include "common/image/default_store.hpp"
#include "common/image/images.hpp"
#include "common/runner/need_functions.hpp"

namespace workshop {

Machine this_machine(const std::filesystem::path& build) {
  Machine machine{is_root_of_machine(), ordinary_user(), "/var/lib/workshop", default_store(), build};
  const char* asked = std::getenv("WORKSHOP_STORE");
  if (asked != nullptr && *asked != '\0') {
    machine.root_store = machine.user_store = asked;
  } else if (machine.is_root && machine.user) {
    machine.user_store = machine.user->home + "/.local/share/workshop";
  }
  return machine;
}

const std::vector<Need>& needs() {
  static const std::vector<Need> kNeeds = {
      {"Linux 5.12 or newer", 1, 5, kernel},
      {"/proc", 1, 5, proc},
      {"memory for the compiler", 1, 5, memory},
      {"disk for the build", 1, 5, build_space},
      {"a static busybox", 1, 5, static_busybox},
      {"root, or sudo", 1, 2, root_access},
      {"mounts and chroot, as root", 1, 2, root_mounts},
      {"device nodes, as root", 1, 2, root_devices},
      {"a PID namespace with its /proc, as root", 2, 2, root_proc},
      {"a place for root's images", 1, 2, root_store},
      {"user namespaces", 3, 5, user_namespace},
      {"an id of one's own in them", 3, 5, own_id_map},
      {"mounts in them", 3, 5, user_mounts},
      {"a fresh /proc in them", 3, 5, user_proc},
      {"newuidmap and newgidmap", 4, 5, mappers},
      {"subordinate ids", 4, 5, subordinate_ids},
      {"a place for one's own images", 3, 5, user_store},
  };
  return kNeeds;
}

}  // namespace workshop
