// The messages for machines that refuse user namespaces, from the limits such machines have.

#include <cerrno>

#include "common/sys/user_namespace.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/scratch.hpp"

using namespace workshop;
using namespace workshop::testing;

TEST_CASE("a machine that refuses user namespaces is recognised by its limits") {
  struct Row {
    const char* what;
    const char* limits;  // a script that makes them below the directory it runs in
    int error;
    const char* mended_by;  // "" where none of this is the cause
  };
  const Row rows[] = {
      {"none at all", "echo 0 > user/max_user_namespaces", ENOSPC, "sysctl user.max_user_namespaces="},
      {"Debian until 10", "echo 0 > kernel/unprivileged_userns_clone", EPERM,
       "sysctl kernel.unprivileged_userns_clone=1"},
      {"Ubuntu 24.04, at the map", "echo 1 > kernel/apparmor_restrict_unprivileged_userns", EPERM,
       "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
      {"Ubuntu 24.04, at a mount", "echo 1 > kernel/apparmor_restrict_unprivileged_userns", EACCES,
       "sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
      {"a limit that begins with 0 but is not", "echo 08 > user/max_user_namespaces", ENOSPC, ""},
      {"all allowed",
       "echo 1000 > user/max_user_namespaces; echo 1 > kernel/unprivileged_userns_clone; "
       "echo 0 > kernel/apparmor_restrict_unprivileged_userns",
       EPERM, ""},
      {"another error", "echo 0 > user/max_user_namespaces", ENOENT, ""},
      {"no such limits", "true", EPERM, ""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const Scratch scratch;
    scratch.shell(std::string("mkdir user kernel; ") + row.limits);
    const std::string hint = user_namespace_hint(row.error, scratch.path());
    CAPTURE(hint);
    CHECK(contains(hint, row.mended_by));
    CHECK(hint.empty() == std::string(row.mended_by).empty());
  }
}
