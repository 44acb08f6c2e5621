// What an instructor has: reports of who is where, images for a room without a network, and completion for
// the shell.

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/runner/steps.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/runner_samples.hpp"
#include "common/tests/scratch.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;
using nlohmann::json;
using workshop::split_lines;

namespace {

std::string runner() {
  return "'" + program_folder() + "/workshop' ";
}

/// A report as `check --all --json` writes it, of somebody who has done `steps` steps of level 1.
std::string report_of(const std::string& name, int steps) {
  json level = {
      {"level", 1}, {"title", "One"}, {"done", false}, {"compile_errors", ""}, {"steps", json::array()}};
  for (int step = 1; step <= 3; ++step) {
    level["steps"].push_back({{"step", step},
                              {"title", "the title of " + std::to_string(step)},
                              {"bonus", false},
                              {"state", step <= steps ? "done" : "open"}});
  }
  return json({{"schema", "workshop.check/1"},
               {"name", name},
               {"time", "2026-01-31T09:30:00Z"},
               {"levels", json::array({level})}})
      .dump();
}

void write(const Scratch& scratch, const std::string& name, const std::string& text) {
  std::ofstream(scratch / name) << text;
}

}  // namespace

TEST_CASE("check --all --json is one document that says of each step whether it is done, and why not") {
  const SampleWorkshop sample;
  const auto output = sample.run("check --all --json", false);
  INFO(output.text);
  REQUIRE(output.status == 1);
  const json document = json::parse(output.text);
  CHECK(document.at("schema") == "workshop.check/1");
  CHECK(document.at("levels").size() == 2);
  const json& step = document.at("levels").at(0).at("steps").at(0);
  CHECK(step.at("state") == "open");
  CHECK(step.at("line").get<int>() > 0);
  CHECK(step.at("failures").at(0).at("explanation").get<std::string>().size() > 10);

  sample.run("solve 1");
  const json after = json::parse(sample.run("check 1 --json", false).text);
  CHECK(after.at("levels").size() == 1);
  CHECK(after.at("levels").at(0).at("done") == true);
}

TEST_CASE("room reads what check writes") {
  const SampleWorkshop sample;
  sample.run("solve 1 1");
  sample.write("one.json", sample.run("check --all --json", false).text);
  const auto room = sample.run("room .");
  INFO(room.text);
  CHECK(room.status == 0);
  CHECK(room.text.find("level 1, step 2: ") != std::string::npos);
}

TEST_CASE("room shows who is where, who is furthest behind first, and where most are") {
  const Scratch scratch;
  write(scratch, "a.json", report_of("ahead", 2));
  write(scratch, "b.json", report_of("behind", 0));
  write(scratch, "c.json", report_of("also ahead", 2));
  const Outcome room = run(scratch, runner() + "room .");
  INFO(room);
  CHECK(room.status == 0);
  CHECK(room.out.find("behind") < room.out.find("ahead"));
  CHECK(
      contains(room.out, "    2  level 1, step 3: the title of 3\n    1  level 1, step 1: the title of 1\n"));
  for (const auto& line : split_lines(room.out)) CHECK(line.size() <= 80);
  const json document = json::parse(run(scratch, runner() + "room . --json").out);
  CHECK(document.at("people").at(0).at("name") == "behind");
}

TEST_CASE("what is no report does the room no harm") {
  const Scratch scratch;
  write(scratch, "good.json", report_of("good", 1));
  write(scratch, "half.json", report_of("half", 1).substr(0, 90));
  write(scratch, "other.json", R"({"schema": "something/1"})");
  write(scratch, "forged.json",
        report_of("me\nforged-row \xc2\x9b"
                  "2J",
                  1));
  json many = json::parse(report_of("many", 1));
  for (int level = 2; level < 100; ++level) many["levels"].push_back(many["levels"][0]);
  write(scratch, "many.json", many.dump());
  write(scratch, "parts.json", R"({"schema": "workshop.check/1", "name": 7})");
  write(scratch, "orders.json", report_of("\033[2Jevil\r\n", 1));
  scratch.shell(
      "mkfifo fifo.json; ln -s /etc/passwd link.json; mkdir folder.json; truncate -s 2M large.json");
  const Outcome room = run(scratch, runner() + "room .");
  INFO(room);
  CHECK(room.status == 0);
  CHECK(contains(room.out, "good"));
  CHECK(!contains(room.out, "\033"));
  CHECK(!contains(room.out, "\xc2\x9b"));
  CHECK(!contains(room.out, "\nforged-row"));
  for (const char* line : {"half.json is left out: it is not JSON, or still being written",
                           "other.json is left out: it is no report of this version",
                           "parts.json is left out: parts of a report are missing",
                           "fifo.json is left out: it is no regular file", "link.json is left out: ",
                           "folder.json is left out: ", "large.json is left out: it is too large",
                           "many.json is left out: it has more levels"}) {
    INFO(line);
    CHECK(contains(room.err, line));
  }
  const Outcome nowhere = run(scratch, runner() + "room nowhere");
  CHECK(nowhere.status == 125);
  CHECK(is_one_line_with(nowhere.err, "there is no folder nowhere"));
  CHECK(contains(run(scratch, "mkdir empty; " + runner() + "room empty").out,
                 "check --all --json > empty/$USER.json"));
}

TEST_CASE("a bundle brings all images to a machine without a network, with the same digests") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "image extract busybox root && tar -C root -cf root.tar . && image import other:1 root.tar && "
               "image list > here");
  const Outcome save = run(scratch, runner() + "bundle save 'a file.tar'");
  INFO(save);
  REQUIRE(save.status == 0);
  CHECK(contains(save.out, "2 images in a file.tar"));
  const Outcome load =
      run(scratch, "export WORKSHOP_STORE=$PWD/there; unshare --user --map-root-user --net " + runner() +
                       "bundle load 'a file.tar' && image list > there.txt && diff here there.txt");
  INFO(load);
  if (contains(load.err, "unshare:")) WORKSHOP_SKIP("no user namespaces here: " + load.err);
  CHECK(load.status == 0);
}

TEST_CASE("a damaged bundle is refused whole, and what cannot be saved leaves no file") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch, "image extract busybox root && " + runner() +
                            "bundle save good.tar busybox && "
                            "cp good.tar bad.tar && size=$(stat -c %s bad.tar) && "
                            "printf damaged | dd of=bad.tar bs=1 seek=$((size / 2)) conv=notrunc 2>dd.log");
  WORKSHOP_REFUSED(scratch, "WORKSHOP_STORE=$PWD/there " + runner() + "bundle load bad.tar",
                   "cannot import bad.tar");
  WORKSHOP_RUN(
      scratch,
      "test -z \"$(image list -q --store there | grep -v busybox)\" && ! test -e there/blobs/sha256/*");
  WORKSHOP_RUN(scratch, "WORKSHOP_STORE=$PWD/there " + runner() + "bundle load good.tar");
  WORKSHOP_REFUSED(scratch, runner() + "bundle save out.tar no-such-image", "no image no-such-image");
  WORKSHOP_RUN(scratch, "test -z \"$(ls | grep out.tar)\"");
  CHECK(run(scratch, runner() + "bundle").status == 125);
}

TEST_CASE("of a bundle whose last image is damaged, the first is not taken either") {
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "mkdir root && echo marked > root/file && tar -C root -cf root.tar . && "
               "image import other:1 root.tar && " +
                   runner() +
                   "bundle save two.tar busybox other:1 && "
                   "cp two.tar whole.tar && at=$(grep -abo marked two.tar | tail -n 1 | cut -d : -f 1) && "
                   "printf X | dd of=two.tar bs=1 seek=$at conv=notrunc 2> dd.log");
  WORKSHOP_REFUSED(scratch, "WORKSHOP_STORE=$PWD/there " + runner() + "bundle load two.tar",
                   "cannot import two.tar");
  WORKSHOP_RUN(scratch, "test -z \"$(ls there/blobs/sha256)\"");
  WORKSHOP_RUN(scratch, "WORKSHOP_STORE=$PWD/there " + runner() +
                            "bundle load whole.tar && "
                            "image list -q --store there | grep other:1");
}

TEST_CASE("bash completes commands, options, levels and steps") {
  const SampleWorkshop sample;
  sample.write("workshop", "");
  const auto completed = [&](const std::string& words, int at) {
    workshop::Command bash{{"bash", "-c",
                            "source <(build/bin/workshop completion bash); COMP_WORDS=(./workshop " + words +
                                "); COMP_CWORD=" + std::to_string(at) +
                                "; _workshop; echo \"${COMPREPLY[*]}\""}};
    bash.folder = sample.folder();
    return workshop::capture(bash).text;
  };
  CHECK(completed("ch", 1) == "check\n");
  CHECK(completed("di", 1) == "diff\n");
  CHECK(completed("check --a", 2) == "--all\n");
  CHECK(completed("diff --l", 2) == "--levels\n");
  CHECK(completed("hint \"\"", 2) == "1 2\n");
  CHECK(completed("solve 1 \"\"", 3) == "1 2 3\n");
  CHECK(completed("bundle s", 2) == "save\n");
  CHECK(completed("demo x", 2) == "\n");
}
