// The blocks of a level's file: common/runner/steps.hpp.

#include "common/runner/steps.hpp"

#include "common/testing/catch.hpp"

using namespace workshop;

namespace {

const std::string kSkeleton = R"(int main() {
  // TODO(level02.2): the second step.
  //   read mount(2)
  // END(level02.2)
  first();
// TODO(level02.1): the first step
// END(level02.1)
  // TODO(level02.2): more of it.
  // END(level02.2)
  // TODO(level02.7): bonus: something extra.
  // END(level02.7)
  // TODO: this is not a marker, and neither is TODO(level02.9) here
}
)";

const std::string kSolution = R"(int main() {
  // STEP(level02.2): the second step.
  two();
  two_more();
  // END(level02.2)
  first();
// STEP(level02.1): the first step
  one();
// END(level02.1)
  // STEP(level02.2): more of it.
  again();
  // END(level02.2)
  // STEP(level02.7): bonus: something extra.
  extra();
  // END(level02.7)
  // TODO: this is not a marker, and neither is TODO(level02.9) here
}
)";

std::string error_of(const std::string& text) {
  try {
    parse_steps("level02.cpp", text);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("blocks are found with their lines, titles and state") {
  const StepFile file = parse_steps("level02.cpp", kSkeleton);
  REQUIRE(file.blocks.size() == 4);
  CHECK(file.blocks[0].id == "level02.2");
  CHECK(file.blocks[0].step == 2);
  CHECK(file.blocks[0].title == "the second step");
  CHECK(file.blocks[0].first == 2);
  CHECK(file.blocks[0].last == 4);
  CHECK(file.blocks[0].is_todo);
  CHECK(file.blocks[1].title == "the first step");
  CHECK_FALSE(parse_steps("", kSolution).blocks[0].is_todo);
}

TEST_CASE("steps come by number, each with its first block's title, bonus steps marked") {
  const auto steps = parse_steps("level02.cpp", kSkeleton).steps();
  REQUIRE(steps.size() == 3);
  CHECK(steps[0].number == 1);
  CHECK(steps[0].line == 6);
  CHECK(steps[1].title == "the second step");
  CHECK_FALSE(steps[1].is_bonus);
  CHECK(steps[2].number == 7);
  CHECK(steps[2].title == "something extra");
  CHECK(steps[2].is_bonus);
}

TEST_CASE("the outline of a skeleton is that of its solution, and sees a difference outside the blocks") {
  const std::string outline = parse_steps("", kSkeleton).outline();
  CHECK(outline == parse_steps("", kSolution).outline());
  std::string other = kSolution;
  other.replace(other.find("first();"), 8, "third();");
  CHECK(outline != parse_steps("", other).outline());
}

TEST_CASE("steps are filled in from the solution, and only those that are wanted") {
  const StepFile skeleton = parse_steps("", kSkeleton), solution = parse_steps("", kSolution);
  const std::string second = with_blocks_of(skeleton, solution, [](int step) { return step == 2; });
  CHECK(second.find("two_more();") != std::string::npos);
  CHECK(second.find("again();") != std::string::npos);
  CHECK(second.find("one();") == std::string::npos);
  CHECK(second.find("TODO(level02.1)") != std::string::npos);
  CHECK(with_blocks_of(skeleton, solution, [](int) { return true; }) == kSolution);
  CHECK(with_blocks_of(solution, skeleton, [](int) { return true; }) == kSkeleton);
  CHECK(with_blocks_of(skeleton, solution, [](int) { return false; }) == kSkeleton);
}

TEST_CASE("a block that is missing in one of the files is an error, and not a file with less in it") {
  std::string lost = kSkeleton;
  lost.erase(lost.find("// TODO(level02.1)"),
             lost.find("  // TODO(level02.2): more") - lost.find("// TODO(level02.1)"));
  const StepFile broken = parse_steps("mine.cpp", lost), solution = parse_steps("", kSolution);
  CHECK_THROWS_WITH(with_blocks_of(broken, solution, [](int) { return true; }),
                    "mine.cpp has 0 block(s) of level02.1 between // TODO(level02.1) and // END(level02.1), "
                    "there should be 1");
  CHECK_NOTHROW(with_blocks_of(broken, solution, [](int step) { return step == 2; }));
}

TEST_CASE("markers that do not pair up are named with file and line") {
  CHECK(error_of("// TODO(level02.1): a\n") ==
        "level02.cpp:1: the block does not end: // END(level02.1) is missing");
  CHECK(error_of("\n// END(level02.1)\n").rfind("level02.cpp:2: END(level02.1) without its beginning", 0) ==
        0);
  CHECK(error_of("// TODO(level02.1): a\n// TODO(level02.2): b\n// END(level02.2)\n")
            .rfind("level02.cpp:2: ", 0) == 0);
  CHECK(error_of("// TODO(level02.1): a\n// END(level02.2)\n").rfind("level02.cpp:2: ", 0) == 0);
  CHECK(error_of("nothing here\n").empty());
}
