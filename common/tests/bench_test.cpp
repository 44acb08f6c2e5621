// `./workshop bench` (common/bench): that what it says was measured was measured, and that nothing is left of
// it.

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

const std::string kBench = "'" WORKSHOP_SOURCE "/common/bench/bench' ";

/// Why nothing can be measured here, or "".
std::string cannot_measure() {
  if (::geteuid() != 0) return "only root may mount: run the tests as root";
  for (const char* tool : {"/usr/bin/hyperfine", "/usr/bin/jq"}) {
    if (::access(tool, X_OK) == -1) return std::string(tool) + " is missing: ./workshop setup bench";
  }
  return "";
}

/// Measures the start of containers, twice each; `files` is a command that makes what is needed, and
/// `wrapper` one that the bench is started by.
Outcome measure_start(const Scratch& scratch, const std::string& files = ":",
                      const std::string& wrapper = "") {
  return run(scratch, "chmod 755 .; mkdir tmp; export TMPDIR=\"$PWD/tmp\" WORKSHOP_SETUP=off; " + files +
                          " && " + wrapper + kBench + "start --runs 2 --json figures.json");
}

/// Whether the table has a row for the tool, or says why not.
bool tells_of(const Outcome& measured, const std::string& tool) {
  return contains(measured.out, "| " + tool) ||
         contains(measured.out, "Left out, since it did not work here: " + tool);
}

}  // namespace

TEST_CASE("bench --help is there without root, and the same from the entry script") {
  const Scratch scratch;
  const Outcome help = run(scratch, kBench + "start --help");
  INFO(help);
  CHECK(help.status == 0);
  CHECK(contains(help.out, "Usage: ./workshop bench "));
  CHECK(run(scratch, "'" WORKSHOP_SOURCE "/workshop' bench --help").out == help.out);
}

TEST_CASE("what bench does not know is refused, and what there is is named") {
  const Scratch scratch;
  const Outcome refused = run(scratch, kBench + "stop");
  INFO(refused);
  CHECK(refused.status == 125);
  CHECK(contains(refused.err, "'stop'"));
  CHECK(contains(refused.err, "start pull build check"));
  CHECK(run(scratch, kBench + "start --runs none").status == 125);
  CHECK(run(scratch, kBench + "start --json").status == 125);
}

TEST_CASE("bench start has a row for each tool, with all figures in the file, and leaves nothing behind") {
  if (const auto why = cannot_measure(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  const std::string mounts = read_file("/proc/self/mounts");
  const Outcome measured = measure_start(scratch);
  INFO(measured);
  REQUIRE(measured.status == 0);
  CHECK(contains(measured.out, "| `level02 run` |"));
  CHECK(contains(measured.out, "| `level05 run --root …` |"));
  for (const char* tool : {"`unshare --mount", "`unshare --map-auto", "`bwrap`", "`crun`"}) {
    INFO(tool);
    CHECK(tells_of(measured, tool));
  }
  const auto figures = nlohmann::json::parse(read_file(scratch / "figures.json"));
  REQUIRE(figures.size() == 2);
  for (const auto& compared : figures) {
    for (const auto& row : compared.at("rows")) {
      INFO(row);
      CHECK(row.at("values").size() == 2);
      CHECK(row.at("values").at(0) > 0);
    }
  }
  CHECK(std::filesystem::is_empty(scratch / "tmp"));
  CHECK(read_file("/proc/self/mounts") == mounts);
}

TEST_CASE("a tool that does not work here is left out of bench's table, with what it said") {
  if (const auto why = cannot_measure(); !why.empty()) WORKSHOP_SKIP(why);
  if (::access("/usr/bin/bwrap", X_OK) == -1)
    WORKSHOP_SKIP("/usr/bin/bwrap is missing: ./workshop setup bench");
  const Scratch scratch;
  const Outcome measured =
      measure_start(scratch, "printf '#!/bin/sh\\necho not today >&2; exit 1\\n' > bwrap && chmod 755 bwrap",
                    "unshare --mount sh -c 'mount --bind bwrap /usr/bin/bwrap && exec \"$0\" \"$@\"' ");
  INFO(measured);
  REQUIRE(measured.status == 0);
  CHECK(contains(measured.out, "Left out, since it did not work here: `bwrap`"));
  CHECK(contains(measured.out, ": not today\n"));
  CHECK(!contains(measured.out, "| `bwrap`"));
  CHECK(contains(measured.out, "| `level05 run --root …` |"));
}
