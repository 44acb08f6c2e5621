// Level 05: chroot and mounts. Every test has a host of its own (common/testing/sandbox.hpp); programs run on
// it as an ordinary user, in the home, /tmp/home, where a root file system is made first: /tmp/home/root.

#include <csignal>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/text.hpp"

using namespace workshop::testing;

namespace {

/// Makes ~/root as level 4 does, and on the host a /etc that tests can change.
void make_root(const Sandbox& host) {
  const Run etc = host.root_shell(
      "USER=" + ordinary_user()->name +
      "; cd /tmp && mkdir etc old && mount --rbind --make-rprivate /etc old && ln -s /tmp/old/* etc && "
      "mount --bind etc /etc && cd /etc && rm -f resolv.conf subuid subgid && "
      "echo $USER:200000:65536 > subuid && echo $USER:300000:65536 > subgid && "
      "echo nameserver 192.0.2.1 > resolv.conf");
  WORKSHOP_EXPECT(etc, etc.status == 0, "the test's own set-up");
  const Run extract = host.run({"run", "--", "image", "extract", "busybox", "/tmp/home/root"});
  WORKSHOP_EXPECT(extract, extract.status == 0, "level 4's way to make a root file system");
}

/// Sets $R to the container's root as a script in it sees it: /tmp/home/root, until step 6 enters it.
const std::string kFindRoot = "R=/tmp/home/root; [ -d $R ] || R=; ";

/// level05 run OPTIONS --root root -- sh -c SCRIPT
Run inside(const Sandbox& host, const std::string& script, std::vector<std::string> options = {}) {
  options.insert(options.begin(), "run");
  options.insert(options.end(), {"--root", "root", "--", "sh", "-c", kFindRoot + script});
  return host.run(options);
}

}  // namespace

TEST_CASE("/proc is a new one and shows this container only", "[step1]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Process outside = host.start_shell("exec sleep 98765");
  const Run run = inside(host, "cat $R/proc/1/comm; cat $R/proc/[0-9]*/cmdline");
  WORKSHOP_EXPECT(run, run.out.rfind("sh\n", 0) == 0, "\"proc\" on ROOT/proc: a new mount, no bind");
  WORKSHOP_EXPECT(run, !contains(run.out, "98765"),
                  "a bind mount of the host's /proc shows the host's processes: make a new one");
}

TEST_CASE("the device nodes are the host's, bound", "[step2]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run run = inside(host, "cd $R/dev && stat -c '%n %F %t:%T' null full random urandom zero tty");
  for (const char* row : {"null character special file 1:3", "full character special file 1:7",
                          "random character special file 1:8", "urandom character special file 1:9",
                          "zero character special file 1:5", "tty character special file 5:0"}) {
    INFO("missing: " << row);
    WORKSHOP_EXPECT(run, contains(run.out, row), "a row with MS_BIND for each");
  }
  const Run use = inside(
      host, "echo lost > $R/dev/null; echo x | cat > $R/dev/full; head -c 3 $R/dev/zero | od -An -tx1");
  WORKSHOP_EXPECT(use, contains(use.err, "No space") && contains(use.out, "00 00 00"), "they should work");
}

TEST_CASE("a new terminal can be opened", "[step2]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  // As people do who have read about bind mounts.
  host.run({"run", "--", "touch", "root/dev/ptmx"});
  const Run run = inside(host, "readlink $R/dev/ptmx; exec 3<>$R/dev/ptmx && ls $R/dev/pts");
  WORKSHOP_EXPECT(
      run, run.status == 0 && contains(run.out, "pts/ptmx\n") && contains(run.out, "0\nptmx\n"),
      "a devpts on dev/pts (newinstance,ptmxmode=0666; no MS_NODEV), dev/ptmx a link to pts/ptmx");
}

TEST_CASE("/sys is the host's, with all that is mounted below", "[step3]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run run = inside(host, "ls $R/sys/kernel | head -n 1 && ls $R/sys/fs");
  WORKSHOP_EXPECT(run, run.status == 0 && contains(run.out, "cgroup"), "MS_BIND | MS_REC on ROOT/sys");
}

TEST_CASE("/etc/resolv.conf is the host's, also when it changes", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run run = inside(host, "cat $R/etc/resolv.conf");
  WORKSHOP_EXPECT(run, run.out == "nameserver 192.0.2.1\n", "bound from the host's /etc/resolv.conf");

  Process watcher =
      host.start({"run", "--root", "root", "--", "sh", "-c",
                  kFindRoot + "echo ready; until grep 192.0.2.2 $R/etc/resolv.conf; do sleep 0.01; done"});
  REQUIRE(watcher.wrote("ready"));
  host.root_shell("echo nameserver 192.0.2.2 > /etc/resolv.conf");
  const Run seen = watcher.wait();
  WORKSHOP_EXPECT(seen, seen.status == 0, "a copy would not change with the host's file");
}

TEST_CASE("a link at /etc/resolv.conf is followed, and left out if it leads nowhere", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  host.root_shell(
      "mkdir /tmp/run && echo nameserver 192.0.2.3 > /tmp/run/real && ln -sf /tmp/run/real /etc/resolv.conf");
  const Run run = inside(host, "cat $R/etc/resolv.conf");
  WORKSHOP_EXPECT(run, run.out == "nameserver 192.0.2.3\n", "mount(2) follows the link of its source");
  host.root_shell("rm /tmp/run/real");
  const Run none = inside(host, "cat $R/etc/resolv.conf");
  WORKSHOP_EXPECT(none, none.status == 0 && none.out.empty(),
                  "a host without name servers still has containers");
}

TEST_CASE("a link in the image does not lead out of it", "[step4]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  host.run({"run", "--", "sh", "-c",
            "mkdir dev root/tmp/home root/tmp/home/dev; cd root; rm -r etc/resolv.conf sys dev; "
            "ln -s /made-by-mistake etc/resolv.conf; ln -s /tmp sys; ln -s /tmp/home/dev dev"});
  inside(host, "true");
  const Run outside =
      host.shell("ls -d /made-by-mistake /tmp/kernel; ls dev; grep -c ' /tmp sysfs' /proc/self/mounts");
  WORKSHOP_EXPECT(outside, outside.out == "0\n",
                  "targets are resolved as from inside: openat2(2), RESOLVE_IN_ROOT");
}

TEST_CASE("resolv.conf is read-only inside", "[step5]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  host.root_shell("chmod 666 /etc/resolv.conf");
  const Run run =
      inside(host, "echo changed >> $R/etc/resolv.conf; grep '/etc/resolv.conf ' $R/proc/self/mounts");
  WORKSHOP_EXPECT(
      run, contains(run.err, "Read-only file system") && contains(run.out, " ro,"),
      "the first mount(2) of a bind ignores MS_RDONLY: a second one, MS_REMOUNT | MS_BIND | MS_RDONLY");
  const Run outside = host.shell("cat /etc/resolv.conf");
  WORKSHOP_EXPECT(outside, outside.out == "nameserver 192.0.2.1\n", "the host's file is as it was");
}

TEST_CASE("flags that the host has locked are kept", "[step5]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run mount = host.root_shell(
      "mount -t tmpfs -o nosuid,nodev,noexec,noatime locked /mnt && cp /etc/resolv.conf /mnt && "
      "ln -sf /mnt/resolv.conf /etc/resolv.conf");
  REQUIRE(mount.status == 0);
  const Run run = inside(host, "grep '/etc/resolv.conf ' $R/proc/self/mounts");
  WORKSHOP_EXPECT(
      run, run.status == 0 && contains(run.out, " ro,nosuid,nodev,noexec,noatime"),
      "EPERM: a remount that leaves a locked flag out is refused (mount_namespaces(7)); statvfs(3) has them");
}

TEST_CASE("the command runs in the root file system", "[step6]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run run = host.run({"run", "--hostname", "container", "--root", "root", "--", "sh", "-c",
                            "pwd; ls /tmp; cat /proc/sys/kernel/hostname; stat -c %u:%g /etc/shadow"});
  WORKSHOP_EXPECT(run, run.status == 0 && run.out == "/\ncontainer\n0:42\n",
                  "chroot(2) and chdir(2), after the mounts");
}

TEST_CASE("an image is a root file system, too", "[step6]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run run = host.run(
      {"run", "-i", "busybox", "--", "sh", "-c", "ls /tmp; echo x > /dev/null; ls /sys | head -n 1"});
  WORKSHOP_EXPECT(run, run.status == 0 && contains(run.out, "block"), "--image and --root take the same way");
}

TEST_CASE("neither groups nor environment of the host are left", "[step7]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run control = host.run({"run", "--", "sh", "-c", "id -G; echo $LEAKED"});
  WORKSHOP_EXPECT(control, contains(control.out, "65534") && contains(control.out, "from-the-host"),
                  "the control: on the host's own root both are there");
  const Run run = inside(host, "id -G; env; pwd");
  WORKSHOP_EXPECT(run, run.out.rfind("0\n", 0) == 0, "setgroups(2): groups without a map show as 65534");
  WORKSHOP_EXPECT(run, !contains(run.out, "LEAKED") && contains(run.out, "HOME=/root\n"),
                  "workshop::prepare_image_command, and HOME");
}

TEST_CASE("--user is looked up in the container", "[step7]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run add = host.run({"run", "--", "sh", "-c",
                            "cd /tmp/home/root; mkdir -p home/alpine; chown 1100:1100 home/alpine; "
                            "echo alpine:x:1100:1100::/home/alpine:/bin/sh >> etc/passwd; "
                            "echo homeless:x:7:7::/nonexistent:/bin/sh >> etc/passwd; "
                            "echo alpine:x:1100: >> etc/group; echo wheel:x:77:root,alpine >> etc/group"});
  REQUIRE(add.status == 0);
  const Run name = inside(host, "id -u; id -G; echo $HOME; pwd; touch ~/made", {"--user", "alpine"});
  WORKSHOP_EXPECT(name, name.out == "1100\n1100 77\n/home/alpine\n/home/alpine\n",
                  "uid 1100, groups 1100 and 77, HOME and working directory /home/alpine");
  const Run made = host.shell("stat -c %u root/home/alpine/made");
  WORKSHOP_EXPECT(made, made.out == std::to_string(ordinary_user()->uid) + "\n",
                  "uid 1100 inside is the user outside");
  const Run number = inside(host, "id -un; id -g", {"-u", "1100"});
  WORKSHOP_EXPECT(number, number.out == "alpine\n1100\n", "a uid is found as well");
  const Run homeless = inside(host, "id -u; pwd", {"-u", "homeless"});
  WORKSHOP_EXPECT(homeless, homeless.out == "7\n/\n", "a home that is not there is no reason to fail");
  const Run unknown = inside(host, "true", {"-u", "nosuchuser"});
  WORKSHOP_EXPECT(unknown, unknown.status == 125 && contains(unknown.err, "nosuchuser"),
                  "an unknown name is an error");
  for (const char* nobody : {"4294967296", "99999999999999999999", ""}) {
    const Run refused = inside(host, "id -u", {"--user", nobody});
    WORKSHOP_EXPECT(refused, refused.status == 125 && contains(refused.err, "--user"),
                    "a number that no user has must not become another user's");
  }
}

TEST_CASE("volumes are read-only unless they are asked to be writable", "[step8]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  host.shell("mkdir -p data; echo hello > data/file");
  const Run ro = inside(host, "cat $R/data/file; echo x > $R/data/file", {"-v", "data:/data"});
  WORKSHOP_EXPECT(ro, ro.out == "hello\n" && contains(ro.err, "Read-only file system"),
                  "mounted on its target, and read-only: that is the default");
  const Run rw = inside(host, "echo changed > $R/data/file", {"-v", "/tmp/home/data:/data:rw"});
  const Run outside = host.shell("cat data/file");
  INFO(rw);
  WORKSHOP_EXPECT(outside, outside.out == "changed\n", "with :rw the host's file is written");
  const Run file = inside(host, "cat $R/deep/er/file", {"-v", "data/file:/deep/er/file"});
  WORKSHOP_EXPECT(file, file.out == "changed\n", "a file can be a volume, and its target is made");
}

TEST_CASE("what is mounted below a read-only volume is read-only, too", "[step8]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run mount = host.root_shell(
      "mkdir -p /tmp/home/data/below && mount -t tmpfs -o mode=777 below /tmp/home/data/below");
  REQUIRE(mount.status == 0);
  const Run rw = inside(host, "touch $R/data/below/file", {"-v", "data:/data:rw"});
  WORKSHOP_EXPECT(rw, rw.status == 0, "the control: it can be written where the volume is :rw");
  const Run ro = inside(host, "touch $R/data/below/other", {"-v", "data:/data"});
  WORKSHOP_EXPECT(ro, ro.status != 0 && contains(ro.err, "Read-only"),
                  "MS_REMOUNT changes one mount: mount_setattr(2), AT_RECURSIVE");
}

TEST_CASE("--pivot-root leaves nothing of the host in the mount table", "[step9]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run run =
      inside(host, "cut -d' ' -f5 /proc/self/mountinfo | grep -v '^/[deps]'; ls /tmp; pwd", {"--pivot-root"});
  WORKSHOP_EXPECT(run, run.status == 0 && run.out == "/\n/\n",
                  "pivot_root(2), as in level 2; then umount2(2) the host's root and all below");
  const Run here = host.shell("cd root && exec level05 run --pivot-root --root . -- ls /tmp");
  WORKSHOP_EXPECT(here, here.status == 0 && here.out.empty(), "the root may be where we are");
}

TEST_CASE("a root that is not there and a target that cannot be made are clear errors", "[program]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run none = host.run({"run", "--root", "nowhere", "--", "true"});
  WORKSHOP_EXPECT(none, none.status == 125 && contains(none.err, "level05: open(\"/tmp/home/nowhere\")"),
                  "the message names the directory");
  host.run({"run", "--", "sh", "-c", "rm -rf /tmp/home/root/proc; echo > /tmp/home/root/proc"});
  const Run file = inside(host, "true");
  WORKSHOP_EXPECT(file, file.status == 125 && contains(file.err, "\"proc\""), "the message names the target");
  for (const char* volume : {"data", "data:", ":x", "data:relative", "data:/x:maybe", "data:/"}) {
    const Run run = inside(host, "true", {"-v", volume});
    WORKSHOP_EXPECT(run, run.status == 125 && contains(run.err, "--volume"), "HOST:CONTAINER[:ro|rw]");
  }
  REQUIRE(host.becomes_empty());
}

TEST_CASE("options that could do nothing are refused", "[program]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  for (const char* options : {"--user root", "--volume /tmp:/x", "--pivot-root", "--root /",
                              "--root root/../../..", "--root root --image busybox"}) {
    const Run run = host.shell(std::string("exec level05 run ") + options + " -- true");
    WORKSHOP_EXPECT(run, run.status == 125 && contains(run.err, "--help"),
                    "on the host's own root they are void");
  }
  const Run nothing = host.run({"run", "--root", "root", "--", ""});
  WORKSHOP_EXPECT(nothing, nothing.status == 127, "no program has an empty name");
}

TEST_CASE("what level 4 taught still works", "[program]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run maps = host.run({"run", "--", "sh", "-c", "id -u; sed 's/^ *//; s/  */ /g' /proc/self/uid_map"});
  const std::string uid = std::to_string(ordinary_user()->uid);
  WORKSHOP_EXPECT(maps, maps.out == "0\n0 200000 1100\n1100 " + uid + " 1\n1101 201100 64436\n",
                  "the id maps");
}

TEST_CASE("signals and death of the program end the container, with its mounts", "[program]") {
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_root(host);
  const Run before = host.shell("cat /proc/self/mounts");
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGKILL}) {
    Process process =
        host.start({"run", "--root", "root", "--", "sh", "-c", "sleep 1000 & echo ready; exec sleep 1000"});
    REQUIRE(process.wrote("ready"));
    ::kill(process.pid(), signal);
    const Run run = process.wait();
    WORKSHOP_EXPECT(run, run.status == 128 + signal, "128 + the signal");
    REQUIRE(host.becomes_empty());
  }
  const Run after = host.shell("cat /proc/self/mounts");
  WORKSHOP_EXPECT(after, after.out == before.out, "the mounts end with the namespace");
}
