// The finished containers on a real Debian, from a real registry: the work the workshop is for.

#include <cstdlib>
#include <filesystem>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/terminal.hpp"
#include "common/tests/registry_server.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

void use_solution(const std::string& level) {
  ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/solutions/" + level).c_str(), 1);
}

/// Every file of a tree with type, mode and owner, as seen from where the shell is. Device nodes are left
/// out: an unprivileged user cannot make them.
constexpr const char* kListing = "find . -xdev ! -type c ! -type b -printf '%P %y %m %U %G %l\\n' | sort";

}  // namespace

TEST_CASE("a Debian image is pulled from a registry and run by level 2") {
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why);
  std::string why;
  const std::string archive = debian_archive(why);
  if (archive.empty()) WORKSHOP_SKIP(why);
  use_solution("level02");
  WORKSHOP_SANDBOX(host, As::root);
  const Scratch scratch;
  const RegistryServer server;
  WORKSHOP_RUN(scratch, "image import debian '" + archive + "' --store source");
  server.push(scratch, "oci:source:debian", "library/debian:12");
  const std::string image = server.address() + "/library/debian:12";

  const Run pull = host.run({"pull", image});
  WORKSHOP_EXPECT(pull, pull.status == 0, "pull from the registry");
  const Run apt = host.run({"run", "-i", image, "--", "apt-get", "--version"});
  WORKSHOP_EXPECT(apt, apt.status == 0 && contains(apt.out, "apt "), "apt-get --version");
  const Run version = host.run({"run", "-i", image, "--", "cat", "/etc/debian_version"});
  const Run expected = host.shell("cat /tmp/store/images/*/rootfs/etc/debian_version");
  WORKSHOP_EXPECT(version, version.status == 0 && version.out == expected.out, "cat /etc/debian_version");
  const Run dpkg = host.run({"run", "-i", image, "--", "dpkg", "-l"});
  WORKSHOP_EXPECT(dpkg, dpkg.status == 0 && contains(dpkg.out, "ii  dpkg "), "dpkg -l");
  const Run ps = host.run({"run", "-i", image, "--", "ps", "-e", "-o", "pid=,comm="});
  WORKSHOP_EXPECT(ps, ps.status == 0 && ps.out == "      1 ps\n", "ps shows the container only");

  const Terminal terminal(host);
  terminal.type("level02 run -i " + image + " -- bash --norc");
  WORKSHOP_SHOWS(terminal, "#");
  terminal.type("sleep 1006");
  terminal.press("C-z");
  WORKSHOP_SHOWS(terminal, "Stopped");
  terminal.type("fg");
  WORKSHOP_SHOWS(terminal, "fg\nsleep 1006");
  terminal.press("C-c");
  terminal.type("echo interrupted-$?; exit 5");
  WORKSHOP_SHOWS(terminal, "interrupted-130");
  terminal.type("echo outside-$?");
  WORKSHOP_SHOWS(terminal, "outside-5");
}

TEST_CASE("a Debian tree made by an ordinary user has root's owners inside, and works under level 5") {
  std::string why;
  const std::string archive = debian_archive(why);
  if (archive.empty()) WORKSHOP_SKIP(why);
  use_solution("level05");
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  std::filesystem::copy_file(archive, host.path("/tmp/debian.tar"));
  const std::string user = ordinary_user()->name;
  const Run as_root = host.root_shell(
      "chmod 644 /tmp/debian.tar; echo " + user +
      ":200000:65536 > /tmp/ids; "
      "mount --bind /tmp/ids /etc/subuid; mount --bind /tmp/ids /etc/subgid; mkdir /tmp/by-root; "
      "tar -xpf /tmp/debian.tar -C /tmp/by-root --numeric-owner; cd /tmp/by-root; " +
      std::string(kListing));
  WORKSHOP_EXPECT(as_root, as_root.status == 0 && as_root.out.size() > 100000, "the test's own set-up");
  const Run import = host.shell("image import debian /tmp/debian.tar");
  WORKSHOP_EXPECT(import, import.status == 0, "the root file system becomes an image");
  const Run extract = host.run({"run", "--", "image", "extract", "debian", "/tmp/home/debian"});
  WORKSHOP_EXPECT(extract, extract.status == 0, "and a tree, inside the namespace");
  const Run inside = host.run({"run", "--", "sh", "-c", "cd /tmp/home/debian && " + std::string(kListing)});
  REQUIRE(inside.status == 0);
  REQUIRE((inside.out == as_root.out));

  const auto in_debian = [&](const std::string& script) {
    return host.run({"run", "--root", "debian", "--", "sh", "-c", script});
  };
  const Run apt = in_debian("apt-get --version && dpkg --audit");
  WORKSHOP_EXPECT(apt, apt.status == 0 && contains(apt.out, "apt ") && apt.err.empty(),
                  "apt-get --version and dpkg --audit");
  const Run su =
      in_debian("useradd -u 1100 -m -s /bin/bash alpine && su - alpine -c 'id -un; pwd; touch made'");
  WORKSHOP_EXPECT(su, su.status == 0 && su.out == "alpine\n/home/alpine\n", "useradd and su - USER");
  const Run made = host.shell("stat -c %u debian/home/alpine/made");
  WORKSHOP_EXPECT(made, made.out == std::to_string(ordinary_user()->uid) + "\n",
                  "a file of uid 1100 inside is the user's outside");
  const Run removed = host.run({"run", "--", "rm", "-rf", "/tmp/home/debian"});
  WORKSHOP_EXPECT(removed, removed.status == 0, "and the tree can be removed, from inside");
}
