// Layers whose entries come in every order, and entries of every type in place of every other.

#include <algorithm>
#include <numeric>

#include "common/sys/error.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/layer_fixture.hpp"
#include "common/tests/scratch.hpp"

namespace workshop::testing {
namespace {

struct OrderCase {
  const char* sentence;
  std::vector<Entry> lower;
  std::vector<Entry> upper;  // none of them needs another one to be there
  std::map<std::string, std::string> expected;
};

const OrderCase kOrderCases[] = {
    {"whiteouts beside what they do not hide",
     {directory("d"), file("d/a", "1"), file("d/b", "2"), file("c", "3")},
     {whiteout("d/.wh.a"), file("d/new", "4"), directory("d"), whiteout(".wh.c"), file("e", "5")},
     {{"d/", ""}, {"d/b", "2"}, {"d/new", "4"}, {"e", "5"}}},
    {"whiteouts of what the same layer makes anew",
     {directory("d"), file("d/old", "1"), file("f", "2")},
     {whiteout(".wh.d"), directory("d"), file("d/new", "3"), whiteout(".wh.f"), link("f", "d")},
     {{"d/", ""}, {"d/new", "3"}, {"f", "-> d"}}},
    {"an opaque whiteout among its siblings",
     {directory("d"), file("d/old", "1"), file("d/both", "2"), directory("d/sub"), file("d/sub/old", "3")},
     {directory("d"), whiteout("d/.wh..wh..opq"), file("d/both", "4"), file("d/new", "5"),
      whiteout("d/.wh.old")},
     {{"d/", ""}, {"d/both", "4"}, {"d/new", "5"}}},
    {"an opaque whiteout above directories of both layers",
     {directory("d"), directory("d/sub"), file("d/sub/old", "1"), directory("d/gone"), file("kept", "2")},
     {directory("d"), whiteout("d/.wh..wh..opq"), directory("d/sub"), file("d/sub/new", "3"),
      hard_link("d/sub/hard", "kept")},
     {{"d/", ""}, {"d/sub/", ""}, {"d/sub/hard", "2"}, {"d/sub/new", "3"}, {"kept", "2"}}},
    {"an opaque whiteout in one",
     {directory("d"), directory("d/sub"), file("d/sub/old", "1"), file("d/kept", "2")},
     {directory("d"), directory("d/sub"), whiteout("d/sub/.wh..wh..opq"), file("d/sub/new", "3"),
      whiteout("d/.wh.nothing")},
     {{"d/", ""}, {"d/kept", "2"}, {"d/sub/", ""}, {"d/sub/new", "3"}}},
};

/// What a tree looks like, without the directory that it is in.
Snapshot tree(const std::string& path) {
  Snapshot result = snapshot(path);
  result.erase(".");
  return result;
}

/// An entry `x`, and what it needs.
struct Kind {
  const char* what;
  std::vector<Entry> needs;
  std::vector<Entry> entries;
};

const Kind kKinds[] = {
    {"a file", {}, {file("x", "text")}},
    {"a directory", {}, {directory("x"), file("x/child", "text")}},
    {"a link to a directory", {directory("real")}, {link("x", "real")}},
    {"a link to nothing", {}, {link("x", "nowhere")}},
    {"a hard link", {file("other", "shared")}, {hard_link("x", "other")}},
    {"a fifo", {}, {{Entry::fifo, "x"}}},
    {"a character device", {}, {{Entry::character_device, "x"}}},
    {"a block device", {}, {{Entry::block_device, "x"}}},
};

std::string archive(const std::vector<std::vector<Entry>>& parts) {
  std::vector<Entry> entries;
  for (const auto& part : parts) entries.insert(entries.end(), part.begin(), part.end());
  return make_layer(entries);
}

}  // namespace

TEST_CASE("the order of a layer's entries makes no difference") {
  for (const auto& row : kOrderCases) {
    DYNAMIC_SECTION(row.sentence) {
      const Scratch scratch;
      const std::string lower = make_layer(row.lower);
      std::vector<std::size_t> order(row.upper.size());
      std::iota(order.begin(), order.end(), std::size_t{0});
      Snapshot first;
      int number = 0;
      do {
        std::vector<Entry> upper;
        std::string names;
        for (const auto index : order)
          upper.push_back(row.upper[index]), names += row.upper[index].name + " ";
        INFO("in this order: " << names);
        const std::string destination = scratch.directory(std::to_string(number++));
        extract({lower, make_layer(upper)}, destination);
        if (first.empty()) first = tree(destination);
        REQUIRE(difference(row.expected, names_in(destination)) == "");
        REQUIRE(difference(first, tree(destination)) == "");  // the directories' times, too
      } while (std::next_permutation(order.begin(), order.end()));
    }
  }
}

TEST_CASE("an entry of any type takes the place of any other, in an upper layer or later in its own") {
  for (const auto& before : kKinds) {
    for (const auto& after : kKinds) {
      DYNAMIC_SECTION(after.what << " in place of " << before.what) {
        const Scratch scratch;
        const auto applied = [&](const std::string& name, const std::vector<std::string>& layers) {
          extract(layers, scratch.directory(name));
          return tree(scratch / name);
        };
        const auto alone = applied("alone", {archive({before.needs, after.needs, after.entries})});
        const std::string lower = archive({before.needs, before.entries}),
                          upper = archive({after.needs, after.entries});
        CHECK(difference(alone, applied("upper", {lower, upper})) == "");
        CHECK(difference(alone, applied("later", {archive({before.needs, before.entries, after.needs,
                                                           after.entries})})) == "");
      }
    }
  }
}

}  // namespace workshop::testing
