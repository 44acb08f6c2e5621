// Level 02: mount namespace and root directory. Every test has a host of its own
// (common/testing/sandbox.hpp): its programs start in /tmp/home, and all its mounts are shared, as systemd
// makes them.

#include <csignal>

#include "common/testing/catch.hpp"
#include "common/testing/image_fixture.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"

using namespace workshop::testing;

namespace {

/// level02 run -- sh -c SCRIPT, in the built-in image.
Run inside(const Sandbox& host, const std::string& script) {
  return host.run({"run", "--", "sh", "-c", script});
}

}  // namespace

TEST_CASE("the container has a mount namespace of its own", "[step1]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run outer = host.shell("readlink /proc/self/ns/mnt /proc/self/ns/uts");
  const Run inner = inside(host, "readlink /proc/self/ns/mnt");
  WORKSHOP_EXPECT(inner, inner.status == 0 && contains(inner.out, "mnt:["), "the container should start");
  INFO("the host's is " << outer.out.substr(0, outer.out.find('\n')));
  WORKSHOP_EXPECT(inner, !contains(outer.out, inner.out.substr(0, inner.out.find('\n'))),
                  "still in the host's mount namespace: is CLONE_NEWNS among the clone flags?");
}

TEST_CASE("a mount made inside is invisible outside", "[step2]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run leak = host.shell(
      "mkdir leak; unshare --mount --propagation unchanged mount -t tmpfs control leak; grep control "
      "/proc/self/mounts");
  WORKSHOP_EXPECT(leak, leak.status == 0,
                  "the control: on this host, a mount made in another namespace shows");
  Process container =
      host.start({"run", "--", "sh", "-c", "mount -t tmpfs inside /mnt && echo ready; exec sleep 1000"});
  REQUIRE(container.wrote("ready"));
  const Run outside = host.shell("grep -e ^inside -e ' /tmp/store/' /proc/self/mounts");
  WORKSHOP_EXPECT(
      outside, outside.out.empty(),
      "the host sees it: the new namespace's mounts are peers of the host's until they are made private");
}

TEST_CASE("no mount inside is a peer of one outside, at any depth", "[step2]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run outside = host.shell("grep -c shared: /proc/self/mountinfo");
  WORKSHOP_EXPECT(outside, outside.status == 0, "the control: the host's mounts are shared");
  const Run peers = inside(host, "cat /proc/self/mountinfo");
  WORKSHOP_EXPECT(
      peers, peers.status == 0 && !contains(peers.out, " shared:"),
      "a mount is still shared (seen above): MS_PRIVATE alone changes \"/\" only, MS_REC all below as well");
}

TEST_CASE("pull fetches an image from a registry and unpacks it", "[step3]") {
  WORKSHOP_SANDBOX(host, As::root);
  make_image(host, "/tmp/home/layout", R"({"Cmd":["true"]})");
  const std::string image = serve_image(host, "/tmp/home/layout", "tiny") + "/tiny";
  const Run pull = host.run({"pull", image});
  WORKSHOP_EXPECT(pull, pull.status == 0, "is workshop::pull called with the image and the store?");
  const Run tree = host.shell("cd /tmp/store/images/*+tiny && ls config.json rootfs/bin/busybox");
  WORKSHOP_EXPECT(tree, tree.status == 0, "<store>/images/<name> should hold rootfs and config.json");
}

TEST_CASE("pull of an image that is not there says so and fails", "[step3]") {
  WORKSHOP_SANDBOX(host, As::root);
  make_image(host, "/tmp/home/layout", "{}");
  const std::string registry = serve_image(host, "/tmp/home/layout", "tiny");
  const Run pull = host.run({"pull", registry + "/absent"});
  WORKSHOP_EXPECT(pull, pull.status == 125 && contains(pull.err, "level02: ") && contains(pull.err, "absent"),
                  "the message names the image, and the status is 125");
  WORKSHOP_EXPECT(pull, !contains(pull.err, "not written yet"), "is workshop::pull called?");
}

TEST_CASE("the containers of an image share its one root file system", "[step4]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run first = inside(host, "echo kept > /root/file");
  const Run second = inside(host, "cat /root/file");
  INFO(first);
  WORKSHOP_EXPECT(second, second.out == "kept\n", "is the root workshop::image_root(image, store)?");
  const Run where = host.shell("cat /tmp/store/images/busybox/rootfs/root/file");
  WORKSHOP_EXPECT(where, where.out == "kept\n", "it should be in <store>/images/busybox/rootfs");
}

TEST_CASE("the directory that was left is named", "[step4]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = inside(host, "pwd");
  WORKSHOP_EXPECT(run, run.out == "/\n", "inside, the working directory is the root");
  WORKSHOP_EXPECT(run, contains(run.err, "/tmp/home"),
                  "standard error should name it: getcwd(3) before chroot(2)");
}

TEST_CASE("without a command the image's own is run, in its environment and its directory", "[step5]") {
  WORKSHOP_SANDBOX(host, As::root);
  make_image(host, "/tmp/home/layout",
             R"({"Entrypoint":["sh","-c"],"Cmd":["echo $GREETING from $PWD; exit 5"],)"
             R"("Env":["PATH=/bin:/usr/bin","GREETING=a=b c"],"WorkingDir":"/var"})");
  const Run import = host.shell("image import greeter layout");
  WORKSHOP_EXPECT(import, import.status == 0, "the control: the image can be imported");
  const Run run = host.run({"run", "-i", "greeter"});
  WORKSHOP_EXPECT(
      run, run.out == "a=b c from /var\n" && run.status == 5,
      "entrypoint with the arguments behind it; setenv(3) for each NAME=VALUE; chdir(2) to WorkingDir");
  const Run given =
      host.run({"run", "-i", "greeter", "sh", "-c", "echo \"$GREETING, $PWD, $PATH, $LEAKED\""});
  WORKSHOP_EXPECT(
      given, given.out == "a=b c, /var, /bin:/usr/bin, \n",
      "a given command gets the environment and the directory, too; the image's PATH replaces ours");
}

TEST_CASE("ps shows PID 1 and nothing of the host", "[step6]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Process outside = host.start_shell("exec sleep 98765");
  const Run control = host.shell("until busybox ps | grep 'sleep 9876[5]'; do :; done");
  WORKSHOP_EXPECT(control, contains(control.out, "sleep 98765"), "the control: on the host, ps shows it");
  const Run ps = inside(host, "echo pid $$; ps; grep ' /proc ' /proc/mounts");
  WORKSHOP_EXPECT(ps, contains(ps.out, "pid 1\n") && !contains(ps.out, "sleep 98765"),
                  "/proc is that of the PID namespace");
  WORKSHOP_EXPECT(ps, contains(ps.out, "nosuid,nodev,noexec"),
                  "no program and no device belongs in /proc: see the flags");
}

TEST_CASE("the mounts that every container gets are there", "[step6]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run mounts = inside(host, "cut -d ' ' -f 2-4 /proc/mounts");
  for (const char* row : {"/proc proc rw,nosuid,nodev,noexec", "/dev tmpfs rw,nosuid",
                          "/dev/pts devpts rw,nosuid,noexec", "/dev/mqueue mqueue rw,nosuid,nodev,noexec",
                          "/dev/shm tmpfs rw,nosuid,nodev,noexec", "/sys sysfs ro,nosuid,nodev,noexec"}) {
    INFO("missing: " << row);
    WORKSHOP_EXPECT(mounts, contains(mounts.out, row), "a row of the table: target, type and flags");
  }
}

TEST_CASE("the device nodes are the real devices", "[step6]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run nodes = inside(host, "cd /dev; stat -c '%n %F %t:%T %a' null zero full random urandom tty");
  for (const char* row : {"null character special file 1:3 666", "zero character special file 1:5 666",
                          "full character special file 1:7 666", "random character special file 1:8 666",
                          "urandom character special file 1:9 666", "tty character special file 5:0 666"}) {
    INFO("missing: " << row);
    WORKSHOP_EXPECT(nodes, contains(nodes.out, row),
                    "mknod(2), makedev(3), and chmod(2) because of the umask");
  }
  const Run use =
      inside(host, "head -c 4 /dev/zero | od -An -tx1; echo x > /dev/full; head -c 3 /dev/urandom | wc -c");
  WORKSHOP_EXPECT(
      use, contains(use.out, "00 00 00 00") && contains(use.out, "3\n") && contains(use.err, "No space"),
      "they should behave as mem(4) and full(4) say");
}

TEST_CASE("/dev shows none of the host's devices, and a new terminal can be opened", "[step6]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run dev = inside(host, "find /dev -type b; exec 3<>/dev/ptmx && ls /dev/pts; readlink -f /dev/stdin");
  WORKSHOP_EXPECT(dev, dev.status == 0 && contains(dev.out, "0\nptmx\n"),
                  "no disks, and /dev/ptmx, a link to pts/ptmx, makes /dev/pts/0 (devpts: newinstance)");
}

TEST_CASE("the exit status is the command's own", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  struct Row {
    std::vector<std::string> command;
    int status;
    const char* message;
  };
  const Row rows[] = {
      {{"sh", "-c", "exit 42"}, 42, ""},
      {{"sh", "-c", "sh -c 'kill -KILL $$'; exit $?"}, 128 + SIGKILL, ""},
      {{"/nonexistent"}, 127, "level02: execvp(\"/nonexistent\"): No such file or directory"},
      {{"/etc/passwd"}, 126, "level02: execvp(\"/etc/passwd\"): Permission denied"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"run", "--"};
    arguments.insert(arguments.end(), row.command.begin(), row.command.end());
    const Run run = host.run(arguments);
    WORKSHOP_EXPECT(run, run.status == row.status, "the exit status, see wait(2)");
    WORKSHOP_EXPECT(run, contains(run.err, row.message), "the message");
  }
}

TEST_CASE("when the set-up fails the status is 125 and nothing is left", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run before = host.shell("cat /proc/self/mounts");
  REQUIRE(inside(host, "true").status == 0);
  host.shell("cd /tmp/store/images/busybox/rootfs && rmdir sys && echo > sys");
  const Run broken = inside(host, "true");
  WORKSHOP_EXPECT(broken,
                  broken.status == 125 && contains(broken.err, "level02: ") && contains(broken.err, "/sys") &&
                      contains(broken.err, "Not a directory"),
                  "the message of step 6 names what could not be mounted, and why: check(mount(...), "
                  "\"mount(\\\"{}\\\")\", target)");
  const Run unknown = host.run({"run", "-i", "no/such-image", "--", "true"});
  WORKSHOP_EXPECT(unknown, unknown.status == 125 && contains(unknown.err, "level02: "),
                  "our own failures have status 125");
  const Run after = host.shell("cat /proc/self/mounts");
  WORKSHOP_EXPECT(after, after.out == before.out, "the mounts end with the namespace");
  REQUIRE(host.becomes_empty());
}

TEST_CASE("a signal reaches the command if it has a handler, and else ends the container", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    Process plain = host.start({"run", "--", "sh", "-c", "echo ready; exec sleep 1000"});
    REQUIRE(plain.wrote("ready"));
    ::kill(plain.pid(), signal);
    const Run ended = plain.wait();
    WORKSHOP_EXPECT(ended, ended.status == 128 + signal,
                    "PID 1 without a handler gets no signal (pid_namespaces(7))");

    Process trap = host.start(
        {"run", "--", "sh", "-c",
         "trap 'echo caught; exit 7' INT TERM HUP QUIT; echo ready; while :; do sleep 0.01; done"});
    REQUIRE(trap.wrote("ready"));
    ::kill(trap.pid(), signal);
    const Run caught = trap.wait();
    WORKSHOP_EXPECT(caught, caught.status == 7 && contains(caught.out, "caught"),
                    "a command with a handler decides itself");
  }
  REQUIRE(host.becomes_empty());
}

TEST_CASE("when the program is killed the container ends, with all its processes and mounts", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run before = host.shell("cat /proc/self/mounts");
  Process process =
      host.start({"run", "--", "sh", "-c", "sleep 1000 & sleep 1000 & echo ready; exec sleep 1000"});
  REQUIRE(process.wrote("ready"));
  REQUIRE(host.processes().size() == 4);
  ::kill(process.pid(), SIGKILL);
  process.wait();
  REQUIRE(host.becomes_empty());
  const Run after = host.shell("cat /proc/self/mounts");
  WORKSHOP_EXPECT(after, after.out == before.out, "the mounts end with the namespace");
}

TEST_CASE("--pivot-root gives the same container", "[step7]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = host.run({"run", "--pivot-root", "--", "sh", "-c", "pwd; ls /tmp; cat /proc/mounts"});
  WORKSHOP_EXPECT(run, run.status == 0 && run.out.rfind("/\n", 0) == 0,
                  "pivot_root(2): EINVAL means the new root is no mount point");
  WORKSHOP_EXPECT(run, !contains(run.out, "/tmp/store") && !contains(run.out, "/tmp/bin"),
                  "mounts of the host are still there: umount2(2) the old root, MNT_DETACH");
}

TEST_CASE("who walks out of a chroot does not walk out of pivot_root", "[step7][breakout]") {
  WORKSHOP_SANDBOX(host, As::root);
  const std::string chapter = WORKSHOP_CHAPTER;
  host.write(
      "/tmp/home/breakout.cpp",
      chapter_code(chapter.substr(0, chapter.rfind("level02")) + "level01-chroot/README.md", "breakout.cpp"));
  const Run compile = host.shell(
      "g++ -static -o breakout breakout.cpp && level02 run -- sh -c 'cat > /breakout; chmod +x /breakout' < "
      "breakout");
  WORKSHOP_EXPECT(compile, compile.status == 0, "level 1's program compiles, and is put into the image");
  const Run chroot = host.run({"run", "--", "/breakout", "ls", "/tmp"});
  WORKSHOP_EXPECT(chroot, contains(chroot.out, "store"),
                  "the control: out of a chroot it walks, and sees the host's /tmp");
  const Run pivot = host.run({"run", "--pivot-root", "--", "/breakout", "ls", "/tmp"});
  WORKSHOP_EXPECT(pivot, pivot.status == 0 && pivot.out.empty(),
                  "there should be no outside left: umount2(2) the old root");
}
