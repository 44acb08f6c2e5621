// Level 01: chroot. Every test has a host of its own (common/testing/sandbox.hpp); its programs start in
// /tmp/home, and /tmp holds the folders bin, home and store: whoever sees those, sees the host.

#include <csignal>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"

using namespace workshop::testing;

namespace {

/// level01 run -- COMMAND...: busybox by its full path, which the host has as well.
Run busybox(const Sandbox& host, std::vector<std::string> command) {
  command.insert(command.begin(), {"run", "--", "/bin/busybox"});
  return host.run(command);
}

/// level01 run -- sh -c SCRIPT, which must not run on the host: that has /proc, /sys and /dev as well.
Run inside(const Sandbox& host, const std::string& script) {
  return host.run(
      {"run", "--", "sh", "-c", "if [ -e /tmp/store ]; then echo still on the host; exit 1; fi; " + script});
}

}  // namespace

TEST_CASE("the image is unpacked into a root of its own", "[step1]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = busybox(host, {"true"});
  const Run roots = host.shell("cd /tmp/store/containers && ls -d */rootfs/bin/busybox */rootfs/etc/passwd");
  INFO(run);
  WORKSHOP_EXPECT(
      roots, roots.status == 0,
      "nothing in <store>/containers/<uuid>/rootfs: is workshop::extract called, with that path?");
  WORKSHOP_EXPECT(run, contains(run.err, "/tmp/store/containers/"),
                  "the path of the new root is not said on standard error");
}

TEST_CASE("every run gets a root of its own", "[step1]") {
  WORKSHOP_SANDBOX(host, As::root);
  busybox(host, {"true"});
  busybox(host, {"true"});
  const Run roots = host.shell("ls /tmp/store/containers/*/rootfs/bin/busybox | wc -l");
  WORKSHOP_EXPECT(roots, roots.out == "2\n",
                  "two runs should leave two unpacked roots in <store>/containers");
}

TEST_CASE("the root directory is the image's, not the host's", "[step2]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run outside = host.shell("ls /tmp");
  WORKSHOP_EXPECT(outside, contains(outside.out, "store"),
                  "the control: on the host, /tmp has a folder `store`");
  const Run inside = busybox(host, {"ls", "/tmp"});
  WORKSHOP_EXPECT(inside, inside.status == 0 && inside.out.empty(),
                  "that is the host's /tmp: is chroot(2) called, with the new root, before execvp(3)?");
}

TEST_CASE("a file made inside is not the host's", "[step2]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run inside = busybox(host, {"touch", "/tmp/inside"});
  const Run where = host.shell("cd /tmp && find . -name inside");
  INFO(inside);
  WORKSHOP_EXPECT(where, contains(where.out, "/rootfs/tmp/inside") && !contains(where.out, "./inside\n"),
                  "the file should be below the container's rootfs and nowhere else");
}

TEST_CASE("where chroot is refused, nothing is run", "[step2]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = host.shell("exec setpriv --bounding-set=-sys_chroot level01 run -- /bin/sh -c 'echo ran'");
  WORKSHOP_EXPECT(run, run.status == 125 && run.out.empty() && contains(run.err, "Operation not permitted"),
                  "the command ran on the host, as root: check() the return value of chroot(2)");
}

TEST_CASE("a command that only the image has is found", "[step2]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run outside = host.shell("/bin/ash -c true");
  WORKSHOP_EXPECT(outside, outside.status == 127, "the control: the host has no /bin/ash");
  const Run inside = host.run({"run", "--", "/bin/ash", "-c", "exit 3"});
  WORKSHOP_EXPECT(inside, inside.status == 3, "/bin/ash is in the image: is it looked up in the new root?");
}

TEST_CASE("the working directory is inside the new root", "[step3]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run outside = host.shell("ls ..");
  WORKSHOP_EXPECT(outside, contains(outside.out, "store"),
                  "the control: programs start in the host's /tmp/home");
  const Run inside = busybox(host, {"ls", ".."});
  WORKSHOP_EXPECT(
      inside, inside.status == 0 && contains(inside.out, "etc\n") && !contains(inside.out, "store"),
      "\"..\" still leads to the host: chroot(2) does not change the working directory, chdir(2) does");
}

TEST_CASE("nothing of the host's environment is left", "[step4]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run outside = host.shell("env");
  WORKSHOP_EXPECT(outside, contains(outside.out, "LEAKED="), "the control: the host has a variable LEAKED");
  const Run inside = busybox(host, {"env"});
  WORKSHOP_EXPECT(inside, inside.status == 0 && !contains(inside.out, "LEAKED="),
                  "a variable of the host's is still there: is clearenv(3) called before setenv(3)?");
}

TEST_CASE("TERM is the caller's and PATH has whole directories", "[step4]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run inside = busybox(host, {"env"});
  WORKSHOP_EXPECT(inside, contains(inside.out, "TERM=dumb\n"),
                  "TERM should be what it is outside: programs draw by it");
  const Run none = host.shell("unset TERM; exec level01 run -- /bin/busybox env");
  WORKSHOP_EXPECT(none, none.status == 0 && contains(none.out, "TERM="),
                  "outside there may be no TERM: getenv(3) returns a null pointer then");
  const Run path =
      host.run({"run", "--", "/bin/busybox", "sh", "-c",
                "IFS=:; for d in $PATH; do case $d in /*) ;; *) echo \"relative: $d\";; esac; done; "
                "case :$PATH: in *:/usr/bin:*) ;; *) echo no /usr/bin: $PATH;; esac; echo $LEAKED"});
  WORKSHOP_EXPECT(path, path.status == 0 && path.out == "\n",
                  "every entry of PATH begins with / (seen above: what does not)");
}

TEST_CASE("/proc shows processes, those of the host as well", "[step5]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Process outside = host.start_shell("exec sleep 98765");
  const Run control = host.shell("until busybox ps | grep 'sleep 9876[5]'; do :; done");
  WORKSHOP_EXPECT(control, control.status == 0, "the control: on the host, ps shows it");
  const Run run = inside(host, "ps");
  WORKSHOP_EXPECT(run, run.status == 0 && contains(run.out, "sleep 98765"),
                  "ps reads /proc: is \"proc\" mounted there, after chroot?");
}

TEST_CASE("/sys is there and read-only", "[step5]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = inside(host, "grep ' /sys sysfs ' /proc/mounts && ls /sys/kernel");
  WORKSHOP_EXPECT(run, run.status == 0, "is \"sysfs\" mounted on /sys?");
  WORKSHOP_EXPECT(run, contains(run.out, " /sys sysfs ro"),
                  "without MS_RDONLY the host's devices can be configured from inside");
}

TEST_CASE("/dev/null is the device", "[step5]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = inside(host, "echo lost > /dev/null; stat -c '%F %t:%T %a' /dev/null; cat /dev/null");
  WORKSHOP_EXPECT(
      run, run.status == 0 && run.out == "character special file 1:3 666\n",
      "is it made with mknod(2), S_IFCHR and makedev(1, 3), and open to everybody (chmod(2): the umask)?");
}

TEST_CASE("/dev is a file system of the container's own", "[step5]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = inside(host, "grep ' /dev ' /proc/mounts; rm -f /dev/null");
  const Run outside = host.shell("stat -c %F /dev/null");
  INFO(run);
  WORKSHOP_EXPECT(outside, outside.out == "character special file\n",
                  "what is deleted from /dev inside was deleted on the host: mount a tmpfs there");
  WORKSHOP_EXPECT(run, contains(run.out, " /dev tmpfs "), "is a tmpfs mounted on /dev?");
}

TEST_CASE("the breakout program walks out of a chroot", "[step5][breakout]") {
  WORKSHOP_SANDBOX(host, As::root);
  host.write("/tmp/home/breakout.cpp", chapter_code(WORKSHOP_CHAPTER, "breakout.cpp"));
  const Run compile = host.shell("g++ -static -o breakout breakout.cpp");
  WORKSHOP_EXPECT(compile, compile.status == 0, "the chapter's program compiles as it is printed");
  const Run out =
      host.shell("level01 run -- sh -c 'cat > /breakout; chmod +x /breakout; /breakout ls /tmp' < breakout");
  WORKSHOP_EXPECT(out, out.status == 0 && contains(out.out, "store"),
                  "it should see the host's /tmp: chroot is no jail");
}

TEST_CASE("the exit status is the command's own", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  struct Row {
    std::vector<std::string> command;
    int status;
    const char* message;
  };
  const Row rows[] = {
      {{"sh", "-c", "exit 0"}, 0, "exited with status 0"},
      {{"sh", "-c", "exit 42"}, 42, "exited with status 42"},
      {{"sh", "-c", "kill -KILL $$"}, 128 + SIGKILL, "exited with status 137"},
      {{"/nonexistent"}, 127, "level01: execvp(\"/nonexistent\"): No such file or directory"},
      {{"nonexistent"}, 127, "level01: execvp(\"nonexistent\"): No such file or directory"},
      {{"/etc/passwd"}, 126, "level01: execvp(\"/etc/passwd\"): Permission denied"},
  };
  for (const Row& row : rows) {
    std::vector<std::string> arguments = {"run", "--"};
    arguments.insert(arguments.end(), row.command.begin(), row.command.end());
    const Run run = host.run(arguments);
    WORKSHOP_EXPECT(run, run.status == row.status, "the exit status, see wait(2)");
    WORKSHOP_EXPECT(run, contains(run.err, row.message), "the message");
  }
}

TEST_CASE("when the set-up fails the status is 125, with one clear line", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  const std::vector<std::vector<std::string>> table = {
      {"run", "--image", "no/such-image", "--", "true"},
      {"run", "--store", "/proc/nowhere", "--", "true"},
      {"run", "--nonsense", "--", "true"},
      {"run"},
      {"jump"},
  };
  for (const auto& arguments : table) {
    const Run run = host.run(arguments);
    WORKSHOP_EXPECT(run, run.status == 125, "our own failures have status 125");
    WORKSHOP_EXPECT(run, run.out.empty() && run.err.rfind("level01: ", 0) == 0,
                    "messages begin with the program's name");
  }
}

TEST_CASE("what comes after the first word that is no option belongs to the command", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run plain = host.run({"run", "-i", "busybox", "echo", "--help", "-i", "--", "x"});
  WORKSHOP_EXPECT(plain, plain.out == "--help -i -- x\n", "the command line reaches the command untouched");
  const Run dashes = host.run({"run", "--image=busybox", "--", "echo", "-n"});
  WORKSHOP_EXPECT(dashes, dashes.status == 0 && dashes.out.empty(), "-- ends the options");
}

TEST_CASE("a signal sent to the program reaches the command", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    Process plain = host.start({"run", "--", "sh", "-c", "echo ready; exec sleep 1000"});
    REQUIRE(plain.wrote("ready"));
    ::kill(plain.pid(), signal);
    const Run killed = plain.wait();
    WORKSHOP_EXPECT(killed, killed.status == 128 + signal, "the command dies of the signal");

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

TEST_CASE("when the program is killed the command dies with it", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  Process process = host.start({"run", "--", "sh", "-c", "echo ready; exec sleep 1000"});
  REQUIRE(process.wrote("ready"));
  REQUIRE_FALSE(host.processes().empty());
  ::kill(process.pid(), SIGKILL);
  process.wait();
  REQUIRE(host.becomes_empty());
}

TEST_CASE("only standard input, output and error reach the command", "[program]") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run outside = host.shell("exec 7</etc; ls /proc/self/fd");
  WORKSHOP_EXPECT(outside, contains(outside.out, "7"), "the control: descriptor 7 is open outside");
  const Run run = host.shell(
      "exec 7</etc; exec level01 run -- sh -c 'for n in 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$n ] && echo $n; "
      "done; true'");
  WORKSHOP_EXPECT(run, run.status == 0 && run.out.empty(), "an open directory is a way out of every root");
}
