// Parent, child and the two helpers that write the maps: whoever of them fails, and whenever, the others end
// at once, with a message, and nothing is left. A hundred times each: what is left to chance shows only then.

#include <cstdlib>
#include <string>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

struct Row {
  const char* what;
  const char* script;   // what newuidmap does; empty: there is none
  int status;           // of the level's program
  const char* message;  // what it says last begins with, after its name
};

constexpr Row kRows[] = {
    {"maps, the control", "exec /usr/bin/newuidmap \"$@\"", 0, nullptr},
    {"is missing", "", 125, "newuidmap (it comes with the package uidmap)"},
    {"refuses", "exit 1", 125, "newuidmap failed with status 1"},
    {"is killed half-way", "kill -KILL $$", 125, "newuidmap failed with status 137"},
    // The maps of a zombie can be written. Not yet dead, it would still read the byte that it waits for.
    {"kills the child, then maps",
     "kill -KILL $1; until /bin/grep -q State:.Z /proc/$1/status; do :; done; exec /usr/bin/newuidmap \"$@\"",
     125, "the container was killed before its set-up ended"},
    {"maps, then kills the child", "/usr/bin/newuidmap \"$@\"; kill -KILL $1; exit 1", 125,
     "newuidmap failed"},
    {"kills the parent while the child waits", "kill -KILL $PPID", 137, nullptr},
};

/// The usual helpers in a folder that is the whole PATH, the one for user ids replaced.
void install(const Sandbox& host, const Row& row) {
  const std::string script = std::string("#!/bin/sh\n") + row.script + "\n";
  const Run run = host.shell("rm -rf bin && mkdir bin && ln -s /usr/bin/newgidmap bin");
  REQUIRE(run.status == 0);
  if (*row.script == '\0') return;
  host.write("/tmp/home/bin/newuidmap", script);
  REQUIRE(host.root_shell("chmod 755 /tmp/home/bin/newuidmap").status == 0);
}

/// Starts a container a hundred times. Prints what was not as it should be.
Run start_often(const Sandbox& host, const std::string& level, const Row& row) {
  const std::string says =
      row.message != nullptr ? "grep -qF '" + level + ": " + row.message + "' said" : "true";
  return host.shell("for i in $(seq 100); do (export PATH=/tmp/home/bin; exec /tmp/bin/" + level +
                    " run -- /bin/true) 2> said; status=$?; [ $status = " + std::to_string(row.status) +
                    " ] && " + says + " || { echo \"time $i: status $status\"; cat said; }; done");
}

}  // namespace

TEST_CASE("whoever dies while the ids are mapped, the others end, and say why") {
  for (const std::string level : {"level04", "level05"}) {
    ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/solutions/" + level).c_str(), 1);
    WORKSHOP_SANDBOX(host, As::user_with_ids);
    const Run ids = host.root_shell("echo " + ordinary_user()->name +
                                    ":200000:65536 > /tmp/ids && mount --bind /tmp/ids /etc/subuid && "
                                    "mount --bind /tmp/ids /etc/subgid");
    REQUIRE(ids.status == 0);
    for (const Row& row : kRows) {
      INFO(level << ", and newuidmap " << row.what);
      install(host, row);
      const Run run = start_often(host, level, row);
      WORKSHOP_EXPECT(run, run.status == 0 && run.out.empty(), "each of the hundred should end alike");
      REQUIRE(host.becomes_empty());
    }
  }
}
