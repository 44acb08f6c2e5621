// Level 03: user namespace. Every test has a host of its own (common/testing/sandbox.hpp); programs run on it
// as an ordinary user and start in the home, /tmp/home.

#include <csignal>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"

using namespace workshop::testing;

namespace {

/// level03 run -- sh -c SCRIPT, on the host's own root.
Run inside(const Sandbox& host, const std::string& script) {
  return host.run({"run", "--", "sh", "-c", script});
}

}  // namespace

TEST_CASE("an ordinary user can start a container, in a user namespace of its own", "[step1]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run outer = host.shell("id -u; readlink /proc/self/ns/user");
  WORKSHOP_EXPECT(outer, outer.out.rfind("0\n", 0) != 0, "the control: these tests do not run as root");
  const Run inner = inside(host, "readlink /proc/self/ns/user");
  WORKSHOP_EXPECT(inner, inner.status == 0,
                  "clone(2) needs privileges without a user namespace: is CLONE_NEWUSER among the flags?");
  INFO("the host's is the second line of:\n" << outer.out);
  WORKSHOP_EXPECT(inner, !inner.out.empty() && !contains(outer.out, inner.out),
                  "still in the host's user namespace");
}

TEST_CASE("setgroups is given up", "[step2]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run outer = host.shell("cat /proc/self/setgroups");
  // Without root, the test's own host is in a user namespace that has given it up already.
  if (outer.out == "deny\n") WORKSHOP_SKIP("needs root to be seen: run it with sudo");
  WORKSHOP_EXPECT(outer, outer.out == "allow\n", "the control: outside it is allowed");
  const Run inner = inside(host, "cat /proc/self/setgroups");
  WORKSHOP_EXPECT(inner, inner.out == "deny\n",
                  "\"deny\" has to be written to /proc/self/setgroups before gid_map");
}

TEST_CASE("the user is root inside", "[step3]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run ids = inside(host, "id -u; id -g");
  WORKSHOP_EXPECT(ids, ids.out == "0\n0\n",
                  "65534 is what an id without a map shows as: \"0 OUTSIDE 1\" in uid_map and gid_map");
  const Run maps = inside(host, "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '");
  const std::string expected = " 0 " + std::to_string(ordinary_user()->uid) + " 1\n 0 " +
                               std::to_string(ordinary_user()->gid) + " 1\n";
  WORKSHOP_EXPECT(maps, maps.out == expected,
                  "one id each: inside 0, outside the caller's, which must be asked for before clone(2)");
}

TEST_CASE("files of root inside are the user's outside, and files of root outside are nobody's inside",
          "[step3]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run touch = inside(host, "touch file && stat -c %u file /etc/passwd");
  WORKSHOP_EXPECT(touch, touch.out == "0\n65534\n",
                  "the map says who is who: only id 0 has a counterpart outside");
  const Run outside = host.shell("stat -c %u file");
  WORKSHOP_EXPECT(outside, outside.out == std::to_string(ordinary_user()->uid) + "\n",
                  "outside, the file is the user's");
}

TEST_CASE("--hostname names the container and not the host", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run inner = host.run({"run", "--hostname", "container", "--", "cat", "/proc/sys/kernel/hostname"});
  WORKSHOP_EXPECT(inner, inner.out == "container\n",
                  "sethostname(2), in the child: it is in the new UTS namespace");
  const Run outer = host.shell("cat /proc/sys/kernel/hostname");
  WORKSHOP_EXPECT(outer, outer.out == "host\n",
                  "the host's name has changed: was sethostname(2) called in the parent?");
}

TEST_CASE("without --hostname the container keeps the host's name", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run outer = host.shell("cat /proc/sys/kernel/hostname");
  const Run inner = host.run({"run", "--", "cat", "/proc/sys/kernel/hostname"});
  WORKSHOP_EXPECT(inner, inner.out == outer.out,
                  "an empty name is none: sethostname(2) only if there is one");
}

TEST_CASE("root, a name and PID 1, all without privileges", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run run = host.run(
      {"run", "--hostname", "container", "--", "sh", "-c", "id -u; cat /proc/sys/kernel/hostname; echo $$"});
  WORKSHOP_EXPECT(run, run.status == 0 && run.out == "0\ncontainer\n1\n" && run.err.empty(),
                  "that is all of this level");
}

TEST_CASE("an image is still entered, with its own /proc", "[program]") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run run =
      host.run({"run", "-i", "busybox", "--", "sh", "-c", "ls /tmp; cat /proc/1/comm; echo $LEAKED"});
  WORKSHOP_EXPECT(run, run.status == 0 && run.out == "sh\n\n", "as in level 2, as far as this root may");
  const Run pivot = host.run({"run", "-i", "busybox", "--pivot-root", "--", "ls", "/tmp"});
  WORKSHOP_EXPECT(pivot, pivot.status == 0 && pivot.out.empty(), "--pivot-root is level 2's");
}

TEST_CASE("the exit status is the command's own", "[program]") {
  WORKSHOP_SANDBOX(host, As::user);
  REQUIRE(inside(host, "exit 42").status == 42);
  REQUIRE(host.run({"run", "--", "/nonexistent"}).status == 127);
  REQUIRE(host.run({"run", "--", "/etc/passwd"}).status == 126);
  REQUIRE(host.run({"run"}).status == 125);
  REQUIRE(host.run({"run", "-i", "no/such-image", "--", "true"}).status == 125);
}

TEST_CASE("a machine that forbids user namespaces is told apart, with the command that mends it",
          "[program]") {
  WORKSHOP_SANDBOX(host, As::user);
  // The limit is counted per user namespace: in one of its own, the test can set it without touching the
  // machine's.
  const Run run = host.shell(
      "unshare -Ur sh -c 'echo 0 > /proc/sys/user/max_user_namespaces && exec level03 run -- true'");
  WORKSHOP_EXPECT(run, run.status == 125 && contains(run.err, "sudo sysctl user.max_user_namespaces"),
                  "the message names the limit, and what raises it");
}

TEST_CASE("signals and death of the program end the container", "[program]") {
  WORKSHOP_SANDBOX(host, As::user);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGKILL}) {
    Process process = host.start({"run", "--", "sh", "-c", "sleep 1000 & echo ready; exec sleep 1000"});
    REQUIRE(process.wrote("ready"));
    ::kill(process.pid(), signal);
    const Run run = process.wait();
    WORKSHOP_EXPECT(run, run.status == 128 + signal, "128 + the signal");
    REQUIRE(host.becomes_empty());
  }
}
