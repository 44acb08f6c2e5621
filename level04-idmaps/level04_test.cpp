// Level 04: id maps and a root file system. Every test has a host of its own (common/testing/sandbox.hpp)
// with its own /etc/subuid and /etc/subgid; programs run on it as an ordinary user and start in the home,
// /tmp/home.

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>

#include "common/sys/fd.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"

using namespace workshop::testing;

namespace {

std::string uid() {
  return std::to_string(ordinary_user()->uid);
}

std::string gid() {
  return std::to_string(ordinary_user()->gid);
}

/// Gives the host these subordinate ids; NAME in them stands for the user.
void grant(const Sandbox& host, std::string subuid = "NAME:200000:65536\n",
           std::string subgid = "NAME:300000:65536\n") {
  for (std::string* text : {&subuid, &subgid}) {
    for (auto at = text->find("NAME"); at != std::string::npos; at = text->find("NAME")) {
      text->replace(at, 4, ordinary_user()->name);
    }
  }
  host.write("/tmp/subuid", subuid);
  host.write("/tmp/subgid", subgid);
  const Run run =
      host.root_shell("mount --bind /tmp/subuid /etc/subuid && mount --bind /tmp/subgid /etc/subgid");
  WORKSHOP_EXPECT(run, run.status == 0, "the test's own set-up");
}

}  // namespace

TEST_CASE("a line that makes no sense is an error that names file and line", "[step1]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  for (const char* line : {"nonsense", "NAME:1", "NAME:x:1", "NAME:1:x", "NAME:1:2:3", "NAME:1:0", ":1:1",
                           "NAME:4294967295:1", "NAME:99999999999:1", "other:1:x", "NAME:1:2 "}) {
    INFO("the second line is: " << line);
    grant(host, std::string("NAME:200000:65536\n") + line + "\n", "NAME:300000:65536\n");
    const Run run = host.run({"run", "--", "true"});
    WORKSHOP_EXPECT(run, run.status == 125 && contains(run.err, "/etc/subuid:2"),
                    "a clear error, and nothing is started");
  }
  REQUIRE(host.becomes_empty());
}

TEST_CASE("a user without subordinate ids is told how to get some", "[step1]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host, "somebody:200000:65536\n", "NAME:300000:65536\n");
  const Run run = host.run({"run", "--", "true"});
  WORKSHOP_EXPECT(run, run.status == 125 && contains(run.err, "usermod"),
                  "name the command that grants ids: usermod(8)");
  grant(host, "NAME:200000:65536\n", "");
  const Run groups = host.run({"run", "--", "true"});
  WORKSHOP_EXPECT(groups, groups.status == 125 && contains(groups.err, "/etc/subgid"),
                  "/etc/subgid counts as well");
}

TEST_CASE("names and numbers, comments and blank lines are read", "[step1]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host, "# a comment\n\nsomebody:1:1\nNAME:200000:65536", "\n" + uid() + ":300000:65536\n   \n");
  const Run run = host.run({"run", "--", "true"});
  WORKSHOP_EXPECT(run, run.status == 0,
                  "the last line needs no newline, and a uid may stand for the name, in /etc/subgid too");
  grant(host, "NAME:nonsense:1\n", "NAME:300000:65536\n");
  const Run control = host.run({"run", "--", "true"});
  WORKSHOP_EXPECT(control, control.status == 125, "the control: the files are read at all");
}

TEST_CASE("the maps hold all subordinate ids, and the caller's own where it was asked to be", "[step2]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  const uid_t own = ordinary_user()->uid;
  const std::string below = std::to_string(own - 10), above = std::to_string(own + 1);
  struct Row {
    std::string granted;
    const char* inside;
    std::string maps;
  };
  const Row rows[] = {
      {"NAME:200000:65536\n", "1100", "uid 0 200000 1100\nuid 1100 OWN 1\nuid 1101 201100 64436\n"},
      {"NAME:200000:65536\n", "0", "uid 0 OWN 1\nuid 1 200000 65536\n"},
      {"NAME:200000:65536\n", "65536", "uid 0 200000 65536\nuid 65536 OWN 1\n"},
      {"NAME:200000:65536\n", "70000", "uid 0 200000 65536\nuid 70000 OWN 1\n"},
      {"NAME:200000:10\nNAME:500000:20\n", "15",
       "uid 0 200000 10\nuid 10 500000 5\nuid 15 OWN 1\nuid 16 500005 15\n"},
      {"NAME:200000:10\nNAME:500000:20\n", "10", "uid 0 200000 10\nuid 10 OWN 1\nuid 11 500000 20\n"},
      {"NAME:7:1\n", "0", "uid 0 OWN 1\nuid 1 7 1\n"},
      {"NAME:" + below + ":20\n", "0", "uid 0 OWN 1\nuid 1 " + below + " 10\nuid 11 " + above + " 9\n"},
  };
  for (const Row& row : rows) {
    grant(host, row.granted, "NAME:300000:1\n");
    std::string expected = row.maps;
    expected.replace(expected.find("OWN"), 3, uid());
    expected += "gid 0 300000 1\ngid 1100 " + gid() + " 1\n";
    INFO("/etc/subuid: " << row.granted << "/etc/subgid: NAME:300000:1\nshould give\n" << expected);
    const Run run = host.run({"maps", "--map-uid", row.inside});
    WORKSHOP_EXPECT(run, run.out == expected,
                    "in the order of the file, from 0 on, nothing lost and nothing twice");
  }
}

TEST_CASE("more lines than the kernel takes are an error", "[step2]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  std::string ranges;
  for (int i = 0; i < 341; ++i) ranges += "NAME:" + std::to_string(200000 + 2 * i) + ":1\n";
  grant(host, ranges, "NAME:300000:65536\n");
  const Run run = host.run({"maps"});
  WORKSHOP_EXPECT(run, run.status == 125 && contains(run.err, "340"),
                  "user_namespaces(7) has the limit: 340");
}

namespace {

/// A host whose /etc/subuid is a FIFO: the program waits for its ids, and so must its child.
class StalledIds {
 public:
  explicit StalledIds(const Sandbox& host) : host_(host) {
    grant(host);
    const Run run = host.root_shell("mkfifo -m 666 /tmp/fifo && mount --bind /tmp/fifo /etc/subuid");
    WORKSHOP_EXPECT(run, run.status == 0, "the test's own set-up");
  }

  /// Waits until parent and child of the program are both blocked: true; or until the command runs, or the
  /// child has ended without its ids: false.
  bool both_wait(const Process& process) {
    for (const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
         std::chrono::steady_clock::now() < end;) {
      if (contains(process.out(), "started")) return false;
      // Opening it fails until somebody reads (fifo(7)).
      if (!fifo_) fifo_.reset(::open(host_.path("/tmp/fifo").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
      if (!fifo_) continue;
      const std::string states =
          host_.root_shell("ps -eo stat=,comm= | awk '$2 == \"level04\" { print substr($1, 1, 1) }'").out;
      if (states == "S\nS\n") return true;
      if (contains(states, "Z")) return false;  // the parent, which reads, has not waited for it yet
    }
    return false;
  }

  /// Lets the program have its ids. The FIFO is taken away first: newuidmap will read the file as well.
  void release() {
    host_.root_shell("umount -l /etc/subuid");
    const std::string line = ordinary_user()->name + ":200000:65536\n";
    if (fifo_) REQUIRE(::write(fifo_.get(), line.data(), line.size()) > 0);
    fifo_.reset();
  }

 private:
  const Sandbox& host_;
  workshop::unique_fd fifo_;
};

}  // namespace

TEST_CASE("the command does not start before its ids are there", "[step3]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  StalledIds ids(host);
  Process process = host.start({"run", "--", "echo", "started"});
  const bool waits = ids.both_wait(process);
  ids.release();
  const Run run = process.wait();
  WORKSHOP_EXPECT(
      run, waits,
      "it did not wait for the parent, which still reads /etc/subuid: read(2) from the pipe, first of all");
  WORKSHOP_EXPECT(run, run.status == 0 && run.out == "started\n", "once told, it goes on");
}

TEST_CASE("a child whose parent dies while it waits does not wait for ever", "[step3]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  StalledIds ids(host);
  Process process = host.start({"run", "--", "echo", "started"});
  const bool waits = ids.both_wait(process);
  ::kill(process.pid(), SIGKILL);
  const Run run = process.wait();
  WORKSHOP_EXPECT(run, waits, "the child should wait for its parent");
  REQUIRE(host.becomes_empty());
  WORKSHOP_EXPECT(run, run.out.empty(), "the end of the pipe without a byte means: the parent is gone");
}

TEST_CASE("the kernel has the maps", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host);
  const Run maps =
      host.run({"run", "--", "sh", "-c", "sed 's/^ *//; s/  */ /g' /proc/self/uid_map /proc/self/gid_map"});
  const std::string expected = "0 200000 1100\n1100 " + uid() + " 1\n1101 201100 64436\n" +
                               "0 300000 1100\n1100 " + gid() + " 1\n1101 301100 64436\n";
  INFO("expected:\n" << expected);
  WORKSHOP_EXPECT(maps, maps.out == expected,
                  "newuidmap PID and newgidmap PID, and behind them the maps of step 2");
}

TEST_CASE("--map-uid and --map-gid say who the user is inside", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host);
  const Run run =
      host.run({"run", "-m", "5", "-g", "7", "--", "sh", "-c", "touch file; stat -c %u:%g /tmp/home"});
  WORKSHOP_EXPECT(run, run.out == "5:7\n", "the user's home belongs to the ids that were asked for");
}

TEST_CASE("whatever goes wrong with newuidmap ends in a message, at once, and leaves nothing", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host);
  struct Row {
    const char* what;
    const char* install;  // makes newuidmap
  };
  const Row rows[] = {
      {"missing", "true"},
      {"not setuid", "cp /usr/bin/newuidmap ."},
      {"refusing", "ln -s /bin/false newuidmap"},
      {"killed half-way", "printf '#!/bin/sh\nkill -KILL $$\n' > newuidmap && chmod +x newuidmap"},
  };
  for (const Row& row :
       rows) {  // common/tests/mapping_failure_test.cpp has more of them, a hundred times each
    INFO("newuidmap: " << row.what);
    const Run install = host.shell("rm -rf bin && mkdir bin && cd bin && ln -s /usr/bin/newgidmap && " +
                                   std::string(row.install));
    REQUIRE(install.status == 0);
    const Run run = host.shell("PATH=/tmp/home/bin exec /tmp/bin/level04 run -- /bin/true");
    WORKSHOP_EXPECT(run, run.status == 125 && contains(run.err, "level04: newuidmap"),
                    "125, and a message that names the program that failed");
    REQUIRE(host.becomes_empty());
  }
}

TEST_CASE("the command is root and sees its own processes only", "[step5]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host);
  const Process outside = host.start_shell("exec sleep 98765");
  const Run ids = host.run({"run", "--", "sh", "-c", "id -u; id -g"});
  WORKSHOP_EXPECT(ids, ids.out == "0\n0\n", "setgid(0), then setuid(0)");
  const Run ps = host.run({"run", "--", "sh", "-c", "ps -e -o args; tail -n 1 /proc/self/mountinfo"});
  WORKSHOP_EXPECT(ps, contains(ps.out, "ps -e") && !contains(ps.out, "98765"),
                  "a new \"proc\" on /proc shows this PID namespace");
  WORKSHOP_EXPECT(ps, contains(ps.out, "nosuid,nodev,noexec,relatime"), "the flags of the mount");
}

TEST_CASE("a root file system made inside has its owners, by the map", "[step5]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host);
  const Run extract = host.run({"run", "--", "image", "extract", "busybox", "/tmp/home/root"});
  WORKSHOP_EXPECT(extract, extract.status == 0, "image extract runs inside the namespace");
  const Run inner = host.run({"run", "--", "stat", "-c", "%u:%g %a", "root/etc/shadow"});
  WORKSHOP_EXPECT(inner, inner.out == "0:42 640\n", "inside, /etc/shadow is root's and the group shadow's");
  const Run outer = host.shell("stat -c %u:%g root/etc/shadow");
  WORKSHOP_EXPECT(outer, outer.out == "200000:300042\n",
                  "outside, it has ids of /etc/subuid and /etc/subgid");

  const Run again =
      host.run({"run", "--map-uid", "0", "--map-gid", "0", "--", "image", "extract", "busybox", "mine"});
  REQUIRE(again.status == 0);
  const Run mine = host.shell("stat -c %u:%g mine/etc/shadow");
  WORKSHOP_EXPECT(mine, mine.out == uid() + ":300041\n", "with --map-uid 0 its owner outside is the user");

  const Run store =
      host.shell("find /tmp/store ! -user " + uid() + "; rm -rf /tmp/store/* && ls -A /tmp/store");
  WORKSHOP_EXPECT(store, store.status == 0 && store.out.empty(),
                  "the store is the user's, and can be removed outside");
}

TEST_CASE("a tree of other ids is removed from inside", "[step5]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host);
  REQUIRE(host.run({"run", "--", "image", "extract", "busybox", "/tmp/home/root"}).status == 0);
  const Run outer = host.shell("rm -rf root 2>&1 | grep -c denied; ls -d root");
  WORKSHOP_EXPECT(outer, contains(outer.out, "root\n"), "the control: outside, the user may not");
  const Run inner = host.run({"run", "--", "rm", "-rf", "/tmp/home/root"});
  const Run gone = host.shell("ls -d root");
  WORKSHOP_EXPECT(inner, inner.status == 0 && gone.status != 0, "inside, root may");
}

TEST_CASE("the exit status is the command's own, and signals reach it", "[program]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  grant(host);
  REQUIRE(host.run({"run", "--", "sh", "-c", "exit 42"}).status == 42);
  REQUIRE(host.run({"run", "--", "/nonexistent"}).status == 127);
  REQUIRE(host.run({"run", "--hostname", "container", "--", "cat", "/proc/sys/kernel/hostname"}).out ==
          "container\n");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGKILL}) {
    Process process = host.start({"run", "--", "sh", "-c", "sleep 1000 & echo ready; exec sleep 1000"});
    REQUIRE(process.wrote("ready"));
    ::kill(process.pid(), signal);
    const Run run = process.wait();
    WORKSHOP_EXPECT(run, run.status == 128 + signal, "128 + the signal");
    REQUIRE(host.becomes_empty());
  }
}
