// `./workshop demo`: the first thing anybody sees of the workshop.

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

/// The runner, as a path below the checkout.
std::string runner() {
  return std::filesystem::relative(program_folder(), WORKSHOP_SOURCE) / "workshop";
}

std::optional<std::string> cannot_demo() {
  ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/solutions/level05").c_str(), 1);
  return cannot_run(As::user);
}

std::string demos_left() {
  std::string left;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::temp_directory_path())) {
    const std::string name = entry.path().filename();
    if (name.rfind("workshop-demo-", 0) == 0) left += name + " ";
  }
  return left;
}

}  // namespace

TEST_CASE("the tour ends well, also from a checkout that only root can enter, and nothing is left of it") {
  if (const auto why = cannot_demo()) WORKSHOP_SKIP(*why);
  const std::string before = demos_left();
  const Scratch scratch;  // of mode 0700
  // Another user's checkout is built by that user, who has to reach it.
  struct stat checkout {};
  REQUIRE(::stat(WORKSHOP_SOURCE, &checkout) == 0);
  const std::string enter = ::geteuid() == 0 && checkout.st_uid == 0
                                ? "mkdir checkout; unshare --mount sh -c 'mount --bind \"$0\" checkout; "
                                : "sh -c 'ln -s \"$0\" checkout; ";
  const Outcome tour = run(scratch, enter + "exec checkout/" + runner() + " demo' '" WORKSHOP_SOURCE "'");
  INFO(tour);
  REQUIRE(tour.status == 0);
  REQUIRE(tour.err.empty());
  for (const char* line : {"    root\n", "    container\n", "    -rw-r-----    1 0        42 "})
    REQUIRE(contains(tour.out, line));
  REQUIRE(!contains(tour.out, "exit status"));
  REQUIRE(demos_left() == before);
}

TEST_CASE("a command in the demo's container has its own exit status, and what fails leaves nothing") {
  if (const auto why = cannot_demo()) WORKSHOP_SKIP(*why);
  const std::string before = demos_left();
  const Scratch scratch;
  const auto demo = [&](const std::string& command) {
    return run(scratch, "'" WORKSHOP_SOURCE "/" + runner() + "' demo -- " + command);
  };
  const Outcome own = demo("sh -c 'hostname; exit 7'");
  INFO(own);
  REQUIRE(own.status == 7);
  REQUIRE(own.out == "container\n");
  const Outcome missing = demo("nothing-of-that-name");
  INFO(missing);
  REQUIRE(missing.status == 127);
  REQUIRE(demos_left() == before);
}
