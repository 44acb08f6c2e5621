// The entry script and set-up (workshop, common/setup/), as whoever starts them on a machine where something
// is missing.

#include <unistd.h>

#include <string>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/scratch.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

/// A copy of the checkout, without what has been built, on a path with a space, for a user who cannot become
/// root: sudo gives nothing to a process with no_new_privs (PR_SET_NO_NEW_PRIVS(2const)).
class Checkout {
 public:
  explicit Checkout(const User& user) : user_(user) {
    scratch_.shell(
        "umask 022; mkdir 'my clone' dpkg dpkg/info dpkg/updates; chmod 755 .; "
        "for part in workshop common CMakeLists.txt CMakePresets.json; do cp -r '" WORKSHOP_SOURCE
        "'/$part 'my clone'; done");
    if (::geteuid() == 0) scratch_.shell("chown -R " + std::to_string(user.uid) + " .");
    // What is installed, in a place of its own: the test takes packages out of the list, and off no machine.
    scratch_.shell("cp /var/lib/dpkg/status dpkg/");
  }

  /// As if the package had never been installed.
  void forget(const std::string& package) const {
    scratch_.shell("awk -v RS= -v ORS='\\n\\n' '$2 != \"" + package +
                   "\"' dpkg/status > dpkg/new && mv dpkg/new dpkg/status");
  }

  Outcome run(const std::string& script) const {
    const std::string ids =
        "--reuid=" + std::to_string(user_.uid) + " --regid=" + std::to_string(user_.gid) + " --clear-groups ";
    return workshop::testing::run(
        scratch_, "export DPKG_ADMINDIR=\"$PWD/dpkg\"; cd 'my clone' && exec setpriv --no-new-privs " +
                      (::geteuid() == 0 ? ids : "") + "bash -c '" + script + "'");
  }

 private:
  Scratch scratch_;
  User user_;
};

/// Why there is nothing here to try it with, or "".
std::string cannot_try() {
  if (::access("/var/lib/dpkg/status", R_OK) == -1)
    return "packages are installed for you on Debian and Ubuntu only";
  if (!ordinary_user()) return "there is no ordinary user to be";
  return "";
}

}  // namespace

TEST_CASE("where everything is installed, set-up says nothing and needs no root") {
  if (const auto why = cannot_try(); !why.empty()) WORKSHOP_SKIP(why);
  const Checkout checkout(*ordinary_user());
  const Outcome quiet = checkout.run("common/setup/install build run");
  INFO(quiet);
  REQUIRE(quiet.status == 0);
  REQUIRE((quiet.out + quiet.err).empty());
  const Outcome asked = checkout.run("./workshop setup");
  INFO(asked);
  REQUIRE(asked.status == 0);
  REQUIRE(contains(asked.err, "Everything is installed already (build run)"));
}

TEST_CASE("each missing package is named on a line of its own, with the command for an administrator") {
  if (const auto why = cannot_try(); !why.empty()) WORKSHOP_SKIP(why);
  const Checkout checkout(*ordinary_user());
  checkout.forget("libisal-dev");
  checkout.forget("busybox-static");
  const Outcome missing = checkout.run("./workshop demo");
  INFO(missing);
  REQUIRE(missing.status == 125);
  REQUIRE(missing.out.empty());
  REQUIRE(contains(missing.err, "workshop: missing package: busybox-static\n"));
  REQUIRE(contains(missing.err, "workshop: missing package: libisal-dev\n"));
  REQUIRE(!contains(missing.err, "missing package: g++"));
  REQUIRE(contains(missing.err, "  sudo env DEBIAN_FRONTEND=noninteractive apt-get "));
  const Outcome built = checkout.run("test ! -e build");
  REQUIRE(built.status == 0);
}

TEST_CASE("help is there, and a mistyped word is answered, before anything is installed or built") {
  if (const auto why = cannot_try(); !why.empty()) WORKSHOP_SKIP(why);
  const Checkout checkout(*ordinary_user());
  checkout.forget("cmake");
  const Outcome help = checkout.run("./workshop --help");
  INFO(help);
  REQUIRE(help.status == 0);
  REQUIRE(contains(help.out, "./workshop demo"));
  REQUIRE(help.err.empty());
  const Outcome mistyped = checkout.run("./workshop chekc 1");
  INFO(mistyped);
  REQUIRE(mistyped.status == 125);
  REQUIRE(contains(mistyped.err, "there is no command 'chekc'"));
  REQUIRE(!contains(mistyped.err, "missing package"));
}

TEST_CASE("a role that there is not is refused, and those there are are named") {
  if (const auto why = cannot_try(); !why.empty()) WORKSHOP_SKIP(why);
  const Checkout checkout(*ordinary_user());
  const Outcome refused = checkout.run("./workshop setup biuld");
  INFO(refused);
  REQUIRE(refused.status == 125);
  REQUIRE(contains(refused.err, "no such role: biuld"));
  REQUIRE(contains(refused.err, "There are: build run"));
}

TEST_CASE("a checkout that the user may not write to is a clear error") {
  if (const auto why = cannot_try(); !why.empty()) WORKSHOP_SKIP(why);
  const Checkout checkout(*ordinary_user());
  const Outcome refused = checkout.run("chmod a-w . && ./workshop");
  INFO(refused);
  REQUIRE(refused.status == 125);
  REQUIRE(contains(refused.err, "cannot write to"));
  REQUIRE(contains(refused.err, "clone it to a place that is yours"));
}
