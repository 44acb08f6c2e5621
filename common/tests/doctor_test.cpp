// `./workshop doctor` on machines that lack something, one thing at a time.

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <iterator>
#include <sstream>

#include "common/runner/command.hpp"
#include "common/sys/error.hpp"
#include "common/sys/user.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/scratch.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

[[maybe_unused]] const bool judged = [] {
  return ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/workshop").c_str(), 1) == 0;
}();

/// A store for root and the user alike; and who calls, as sudo says it.
const std::string kPrelude = "mkdir -p -m 1777 /tmp/both; export WORKSHOP_STORE=/tmp/both SUDO_USER=" +
                             (ordinary_user() ? ordinary_user()->name : "") + "; ";

/// What the doctor says of a need below its table: problem and remedy; "" where it is content.
std::string finding(const std::string& out, const std::string& need) {
  const auto begin = out.find("\n" + need + ": ");
  if (begin == std::string::npos) return "";
  std::istringstream words(out.substr(begin + 1, out.find("\n\n", begin + 1) - begin));
  std::string result;  // in one line: it is folded to the terminal's width
  for (std::string word; words >> word;) result += (result.empty() ? "" : " ") + word;
  return result;
}

/// A machine with a fault, and what the doctor has to find.
struct Fault {
  const char* what;
  As who;
  const char* script;  ///< makes the fault and calls the doctor
  const char* need;
  const char* problem;
  const char* mend;
};

constexpr Fault kFaults[] = {
    {"no subordinate ids", As::root, ": > /tmp/none; mount --bind /tmp/none /etc/subuid; workshop doctor",
     "subordinate ids", "no ids for user", "./workshop setup"},
    {"too few subordinate ids", As::root,
     "echo \"$ordinary:300000:100\" > /tmp/few; mount --bind /tmp/few /etc/subuid; workshop doctor",
     "subordinate ids", "has 101 ids", "./workshop setup"},
    {"no user namespaces", As::user,
     "unshare --user --map-root-user sh -c 'echo 0 > /proc/sys/user/max_user_namespaces; workshop doctor'",
     "user namespaces", "switched off here", "sudo sysctl user.max_user_namespaces="},
    {"root of a user namespace", As::user, "unshare --user --map-root-user workshop doctor",
     "device nodes, as root", "root of a user namespace", "outside of that container"},
    {"the same, and who root is", As::user, "unshare --user --map-root-user workshop doctor", "root, or sudo",
     "root of a user namespace", "outside of that container"},
    {"a chroot without /proc", As::root,
     "mkdir /tmp/jail; mount --bind / /tmp/jail; mount --rbind /tmp/bin /tmp/jail/mnt; "
     "mount -t tmpfs tmpfs /tmp/jail/tmp; chroot /tmp/jail /mnt/workshop doctor",
     "/proc", "there is no /proc", "mount -t proc proc /proc"},
    {"a chroot", As::root,
     "mkdir /tmp/jail; mount --bind / /tmp/jail; mount --rbind /tmp/bin /tmp/jail/mnt; mount -t proc proc "
     "/tmp/jail/proc; "
     "mount -t tmpfs tmpfs /tmp/jail/tmp; chroot /tmp/jail /mnt/workshop doctor",
     "user namespaces", "in a chroot", "leave it"},
    {"no newuidmap", As::root, "mount --bind /dev/null \"$(command -v newuidmap)\"; workshop doctor",
     "newuidmap and newgidmap", "newuidmap is not installed", "apt-get install --reinstall uidmap"},
    {"a newuidmap without privilege", As::root,
     "cp --no-preserve=all \"$(command -v newuidmap)\" /tmp/plain; chmod 755 /tmp/plain; "
     "mount --bind /tmp/plain \"$(command -v newuidmap)\"; workshop doctor",
     "newuidmap and newgidmap", "must be setuid root", "apt-get install --reinstall uidmap"},
    {"a newuidmap that gains no privileges", As::root,
     "mkdir /tmp/nosuid; mount -t tmpfs -o nosuid tmpfs /tmp/nosuid; cp -p \"$(command -v newuidmap)\" "
     "/tmp/nosuid; "
     "mount --bind /tmp/nosuid/newuidmap \"$(command -v newuidmap)\"; workshop doctor",
     "newuidmap and newgidmap", "mounted nosuid", "remount,suid"},
    {"a control group with little memory", As::root,
     "mount -t tmpfs tmpfs /sys/fs/cgroup; mkdir /sys/fs/cgroup/memory; "
     "echo 100000000 | tee /sys/fs/cgroup/memory.max > /sys/fs/cgroup/memory/memory.limit_in_bytes; workshop "
     "doctor",
     "memory for the compiler", "95 MiB of memory are all", "--memory 2g"},
    {"no new privileges", As::user, "setpriv --no-new-privs workshop doctor", "newuidmap and newgidmap",
     "no program may gain privileges", "--privileged"},
    {"root without its capabilities", As::root,
     "setpriv --bounding-set=-mknod --inh-caps=-mknod workshop doctor", "device nodes, as root",
     "not all its capabilities", "--privileged"},
    {"a covered /proc", As::root, "mount -t tmpfs tmpfs /proc/sys; workshop doctor", "a fresh /proc in them",
     "parts of /proc are covered", "--privileged"},
    {"a full disk", As::root, "mount -t tmpfs -o size=1m,mode=1777 tmpfs /tmp/both; workshop doctor",
     "a place for root's images", "MiB are free", "export WORKSHOP_STORE="},
    {"a store where nothing may be executed", As::root,
     "mount -t tmpfs -o noexec,mode=1777 tmpfs /tmp/both; workshop doctor", "a place for one's own images",
     "noexec", "export WORKSHOP_STORE="},
    {"a folder that holds no root file system", As::root, "mount -t mqueue mqueue /tmp/both; workshop doctor",
     "a place for root's images", "cannot hold a root file system", "export WORKSHOP_STORE="},
};

/// Has the kernel answer EPERM to unshare(2) and clone(2) with CLONE_NEWUSER, as the filter of a container
/// engine does.
void forbid_user_namespaces() {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_unshare, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  workshop::check(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)");
  workshop::check(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), "prctl(PR_SET_SECCOMP)");
}

/// As on Ubuntu 24.04: the switch is there and on.
void switch_restriction_on() {
  workshop::check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
  workshop::check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(MS_PRIVATE)");
  workshop::check(::mount("tmpfs", "/proc/sys/kernel", "tmpfs", 0, nullptr), "mount(\"/proc/sys/kernel\")");
  const int file =
      ::open("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  workshop::check(::write(file, "1\n", 2), "write()");
}

/// What the doctor prints after `before`, outside of any sandbox.
std::string doctor_after(const std::function<void()>& before) {
  return in_child([&] {
    before();
    return workshop::capture({{program_folder() + "/workshop", "doctor"}}).text;
  });
}

}  // namespace

TEST_CASE("on a machine where everything works the doctor says so, to root") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = host.shell(kPrelude + "workshop doctor");
  WORKSHOP_EXPECT(run, run.status == 0, "all levels work: exit status 0");
  WORKSHOP_EXPECT(run, contains(run.out, "All levels should work here."), "the last line");
  for (const char* state : {" no\n", " ?\n"}) {
    WORKSHOP_EXPECT(run, !contains(run.out, state), "every need was tried, and is met");
  }
}

TEST_CASE("to an ordinary user the doctor says what only root could try, and tries the rest") {
  WORKSHOP_SANDBOX(host, As::user);
  const Run run = host.shell(kPrelude + "workshop doctor");
  WORKSHOP_EXPECT(run, contains(finding(run.out, "device nodes, as root"), "sudo ./workshop doctor"),
                  "root's part was not tried");
  WORKSHOP_EXPECT(run, !contains(run.out, "All levels should work"), "nor is it said to work");
  for (const char* need :
       {"user namespaces", "an id of one's own in them", "mounts in them", "a fresh /proc in them",
        "newuidmap and newgidmap", "subordinate ids", "a place for one's own images"}) {
    WORKSHOP_EXPECT(run, finding(run.out, need).empty(), need);
  }
}

TEST_CASE("the doctor finds each fault, and names the command that mends it") {
  if (const auto why = cannot_run(As::root)) WORKSHOP_SKIP(*why);
  for (const Fault& fault : kFaults) {
    INFO(fault.what);
    const Sandbox host(fault.who);
    const std::string prelude = kPrelude + "ordinary=" + ordinary_user()->name + "; ";
    if (fault.who == As::root) {  // the control
      const Run healthy = host.shell(prelude + "workshop doctor");
      WORKSHOP_EXPECT(healthy, finding(healthy.out, fault.need).empty(), "nothing to find without the fault");
    }
    const Run run = host.shell(prelude + fault.script);
    const std::string found = finding(run.out, fault.need);
    WORKSHOP_EXPECT(run, contains(found, std::string(fault.need) + ": no "), fault.need);
    WORKSHOP_EXPECT(run, contains(found, fault.problem), fault.problem);
    WORKSHOP_EXPECT(run, contains(found, std::string("mend it: ")) && contains(found, fault.mend),
                    fault.mend);
    WORKSHOP_EXPECT(run, run.status == 1, "exit status 1: some level does not work");
  }
}

TEST_CASE("a filter for system calls, and AppArmor's restriction, are told apart") {
  if (const auto why = cannot_run(As::root)) WORKSHOP_SKIP(*why);
  const std::string healthy = doctor_after([] {});
  INFO(healthy);
  REQUIRE(finding(healthy, "user namespaces").empty());
  const std::string filtered = doctor_after(forbid_user_namespaces);
  INFO(filtered);
  REQUIRE(contains(finding(filtered, "user namespaces"), "seccomp"));
  REQUIRE(contains(finding(filtered, "user namespaces"), "--privileged"));
  const std::string restricted = doctor_after([] {
    switch_restriction_on();
    forbid_user_namespaces();
  });
  INFO(restricted);
  REQUIRE(contains(finding(restricted, "user namespaces"), "AppArmor"));
  REQUIRE(contains(finding(restricted, "user namespaces"),
                   "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"));
}

TEST_CASE("root who lacks a capability is not sent to the switch for user namespaces") {
  if (const auto why = cannot_run(As::root)) WORKSHOP_SKIP(*why);
  const std::string said = doctor_after([] {
    switch_restriction_on();
    workshop::check(::prctl(PR_CAPBSET_DROP, CAP_MKNOD, 0, 0, 0), "prctl(PR_CAPBSET_DROP)");
  });
  INFO(said);
  REQUIRE(contains(finding(said, "device nodes, as root"), "--privileged"));
  REQUIRE(!contains(finding(said, "device nodes, as root"), "AppArmor"));
}

TEST_CASE("what the doctor says can be read by a program, and it leaves nothing behind") {
  WORKSHOP_SANDBOX(host, As::root);
  const Run run = host.shell(kPrelude +
                             "ls -A /tmp /tmp/both > /tmp/home/before; workshop doctor --json; status=$?; "
                             "ls -A /tmp /tmp/both | diff /tmp/home/before - >&2 && exit $status");
  WORKSHOP_EXPECT(run, run.status == 0, "no file is left of what was tried");
  for (const char* part :
       {"\"schema\": \"workshop.doctor/1\"", "\"what\": \"user namespaces\"", "\"works\": true"}) {
    WORKSHOP_EXPECT(run, contains(run.out, part), part);
  }
  WORKSHOP_EXPECT(run, host.becomes_empty(), "no process is left");
}
