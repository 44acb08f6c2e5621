// The tests' own tools: they must leave nothing on the machine, whatever happens to them.

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <thread>

#include "common/sys/error.hpp"
#include "common/sys/process.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/scratch.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

/// Whether a process with this word on its command line runs anywhere on the machine.
bool runs(const std::string& word) {
  bool found = false;
  DIR* folder = ::opendir("/proc");
  while (const dirent* entry = ::readdir(folder)) {
    found = found || contains(read_file(std::string("/proc/") + entry->d_name + "/cmdline"), word);
  }
  ::closedir(folder);
  return found;
}

/// A test in the middle of its work: a container with a mount runs in a sandbox, and there is a scratch
/// directory, whose path it writes to `tell`.
[[noreturn]] void be_a_test(int tell) {
  workshop::run_child([&] {
    const Sandbox host(As::root);
    const Scratch scratch;
    const Process container =
        host.start({"run", "--", "sh", "-c", "mount -t tmpfs x /mnt; echo ready; exec sleep 54321"});
    if (!container.wrote("ready")) ::_exit(1);
    workshop::check(::write(tell, scratch.path().data(), scratch.path().size()), "write()");
    for (;;) ::pause();
  });
}

}  // namespace

TEST_CASE("a killed test leaves no mount, process or file behind") {
  ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/solutions/level02").c_str(), 1);
  if (const auto why = cannot_run(As::root)) WORKSHOP_SKIP(*why);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t test = ::fork();
  if (test == 0) be_a_test(ends[1]);
  char path[200] = {};
  REQUIRE(::read(ends[0], path, sizeof path - 1) > 0);
  REQUIRE(::access(path, F_OK) == 0);
  REQUIRE(runs("54321"));

  ::kill(test, SIGKILL);
  ::waitpid(test, nullptr, 0);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while ((runs("54321") || ::access(path, F_OK) == 0) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK_FALSE(runs("54321"));
  CHECK(::access(path, F_OK) == -1);
  CHECK_FALSE(contains(read_file("/proc/self/mountinfo"), "/rootfs/mnt"));
}

TEST_CASE("what an ordinary user is to run is run as who called sudo") {
  ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/solutions/level03").c_str(), 1);
  if (const auto why = cannot_run(As::user_with_ids)) WORKSHOP_SKIP(*why);
  const char* sudo_user = std::getenv("SUDO_USER");
  const std::string before = sudo_user != nullptr ? sudo_user : "";
  ::setenv("SUDO_USER", "nobody", 1);  // a user that every machine has
  {
    const Sandbox host(As::user);
    const Run run = host.shell("id -un; stat -c %U .");
    WORKSHOP_EXPECT(run, run.out == "nobody\nnobody\n", "the user of the sandbox, and the owner of its home");
  }
  ::setenv("SUDO_USER", before.c_str(), 1);
}
