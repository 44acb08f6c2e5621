// Archives that want out. Each is applied beside a directory `outside`, which must not change in any way;
// then it is looked at what happened inside.

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>

#include "common/sys/error.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/archive.hpp"
#include "common/tests/layer_scene.hpp"

namespace workshop::testing {
namespace {

namespace fs = std::filesystem;

/// `text` with OUTSIDE replaced by the absolute path of that directory.
std::string resolved(std::string text, const Scene& scene) {
  if (const auto at = text.find("OUTSIDE"); at != std::string::npos) text.replace(at, 7, scene.outside);
  return text;
}

Entry file(const std::string& name) {
  return {Entry::file, name, "attack", 0777};
}
Entry directory(const std::string& name) {
  return {Entry::directory, name, "", 0777, 4242, 4242};
}
Entry link(const std::string& name, const std::string& target) {
  return {Entry::link, name, target, 0777};
}
Entry hard_link(const std::string& name, const std::string& target) {
  return {Entry::hard_link, name, target, 06777, 4242, 4242};
}

struct Attack {
  const char* sentence;
  std::vector<std::vector<Entry>> layers;
  const char* error;                  // part of the message with which it is refused; "" if it need not be
  std::vector<std::string> inside{};  // what must be there then
};

const Attack kAttacks[] = {
    {"a name with ..", {{file("../outside/new")}}, "leads out"},
    {"a name with .. behind something", {{directory("a"), file("a/../../outside/new")}}, "leads out"},
    {"an absolute name", {{file("OUTSIDE/secret")}}, "", {"OUTSIDE/secret"}},
    {"a link with .. written through", {{link("l", "../outside"), file("l/new")}}, "", {"outside/new"}},
    {"an absolute link written through", {{link("l", "OUTSIDE"), file("l/secret")}}, "", {"OUTSIDE/secret"}},
    {"a chain of links written through",
     {{link("a", ".."), link("b", "a/.."), link("c", "b/../outside"), file("c/secret")}},
     "",
     {"outside/secret"}},
    {"a link from an earlier layer written through",
     {{link("l", "OUTSIDE")}, {file("l/secret")}},
     "",
     {"OUTSIDE/secret"}},
    {"a link to what is missing outside",
     {{link("l", "../outside/made"), file("l/new")}},
     "",
     {"outside/made/new"}},
    {"a directory below a link that is there outside",
     {{link("l", "../outside"), directory("l/d"), directory("l/new")}},
     "",
     {"outside/d", "outside/new"}},
    {"a link below a link", {{link("l", "OUTSIDE"), link("l/secret", "x")}}, "", {"OUTSIDE/secret"}},
    {"a fifo below a link", {{link("l", "OUTSIDE"), {Entry::fifo, "l/secret"}}}, "", {"OUTSIDE/secret"}},
    {"a link with an owner and an attribute",
     {{{Entry::link, "l", "OUTSIDE/secret", 0777, 4242, 4242, 5, 5, {{"trusted.x", "y"}}}}},
     "",
     {"l"}},
    {"links that go round in a circle", {{link("a", "b"), link("b", "a"), file("a/new")}}, "symbolic link"},
    {"a file in place of a link", {{link("l", "OUTSIDE/secret"), file("l")}}, "", {"l"}},
    {"a directory in place of a link",
     {{link("l", "OUTSIDE/d"), directory("l"), file("l/file")}},
     "",
     {"l/file"}},
    {"a fifo in place of a link", {{link("l", "OUTSIDE/secret"), {Entry::fifo, "l"}}}, "", {"l"}},
    {"a directory swapped for a link between layers",
     {{directory("d"), file("d/a")}, {link("d", "OUTSIDE/d"), file("d/file")}},
     "",
     {"OUTSIDE/d/file"}},
    {"a directory hidden and swapped for a link",
     {{directory("d"), file("d/a")}, {file(".wh.d"), link("d", "OUTSIDE/d"), file("d/file")}},
     "",
     {"OUTSIDE/d/file"}},
    {"a directory swapped for a link between two files",
     {{directory("d"), file("d/a"), link("d", "OUTSIDE/d"), file("d/file")}},
     "",
     {"OUTSIDE/d/file"}},
    {"a parent swapped for a link between two files",
     {{file("p/d/a"), link("p", "../outside"), file("p/d/file")}},
     "",
     {"outside/d/file"}},
    {"a link swapped for another between two files",
     {{directory("d"), link("l", "d"), file("l/a"), link("l", "OUTSIDE/d"), file("l/file")}},
     "",
     {"d/a", "OUTSIDE/d/file"}},
    {"a directory whose mode waits, swapped for a link",
     {{{Entry::directory, "d", "", 0000}, file("d/a")}, {link("d", "OUTSIDE/d")}},
     "",
     {"d"}},
    {"a hard link to outside", {{hard_link("h", "OUTSIDE/secret")}}, "linkat"},
    {"a hard link to outside by ..", {{hard_link("h", "../outside/secret")}}, "leads out"},
    {"a hard link to outside through a link", {{link("l", "OUTSIDE"), hard_link("h", "l/secret")}}, "linkat"},
    {"a hard link to outside through a link with ..",
     {{link("l", "../outside"), hard_link("h", "l/secret")}},
     "linkat"},
    {"a hard link, with a mode and an owner, to a link to outside",
     {{link("l", "OUTSIDE/secret"), hard_link("h", "l")}},
     "",
     {"h"}},
    {"a hard link to a link to outside, then a file of that name",
     {{link("l", "OUTSIDE/secret"), hard_link("h", "l"), file("h"), file("l")}},
     "",
     {"h", "l"}},
    {"a hard link to a link to outside, written through",
     {{link("l", "OUTSIDE"), hard_link("h", "l"), file("h/secret")}},
     "",
     {"OUTSIDE/secret"}},
    {"a hard link in place of a link",
     {{file("a"), link("l", "OUTSIDE/secret"), hard_link("l", "a")}},
     "",
     {"l"}},
    {"a hard link below a link to outside",
     {{file("a"), link("l", "OUTSIDE"), hard_link("l/secret", "a")}},
     "",
     {"OUTSIDE/secret"}},
    {"a whiteout of a name with ..", {{file("a")}, {file("../outside/.wh.secret")}}, "leads out"},
    {"an opaque whiteout of a name with ..", {{file("a")}, {file("../outside/.wh..wh..opq")}}, "leads out"},
    {"an opaque whiteout above the root", {{file("a")}, {file("d/../../.wh..wh..opq")}}, "leads out"},
    {"a whiteout of nothing", {{file("a")}, {file("d/.wh.")}}, "whiteout without a name"},
    {"a whiteout of .", {{file("a")}, {file(".wh..")}}, "whiteout without a name"},
    {"a whiteout of ..", {{file("a")}, {file(".wh...")}}, "whiteout without a name"},
    {"a whiteout of .. in a directory", {{file("d/a")}, {file("d/.wh...")}}, "whiteout without a name"},
    {"a whiteout with a slash", {{file("a")}, {file(".wh.a/b")}}, "whiteout for a directory"},
    {"a whiteout through a link", {{link("l", "OUTSIDE")}, {file("l/.wh.secret")}}, "", {"l"}},
    {"a whiteout through a link with ..", {{link("l", "../outside")}, {file("l/.wh.d")}}, "", {"l"}},
    {"a whiteout of a link", {{link("l", "OUTSIDE"), file("a")}, {file(".wh.l")}}, "", {"a"}},
    {"an opaque whiteout through a link",
     {{link("l", "OUTSIDE"), file("a")}, {file("l/.wh..wh..opq")}},
     "",
     {"a"}},
    {"an opaque whiteout below a link", {{link("l", "../outside")}, {file("l/d/.wh..wh..opq")}}, "", {"l"}},
    {"an opaque whiteout of a directory with a link to outside",
     {{link("d/l", "OUTSIDE"), link("d/m", "../../outside/d")}, {directory("d"), file("d/.wh..wh..opq")}},
     "",
     {"d"}},
    {"a directory with a link to outside replaced by a file",
     {{link("d/l", "OUTSIDE/d")}, {file("d")}},
     "",
     {"d"}},
    {"the root itself as a link", {{link("./", "OUTSIDE")}}, "not be a directory"},
    {"the root itself as a whiteout", {{file("a")}, {file("a/../.wh.")}}, "whiteout without a name"},
    {"a name longer than any path", {{file(std::string(6000, 'a'))}}, "longer than a path"},
    {"a directory below a file", {{file("a"), file("a/b")}}, "Not a directory"},
};

}  // namespace

TEST_CASE("no archive reaches outside the destination") {
  for (const auto& attack : kAttacks) {
    DYNAMIC_SECTION(attack.sentence) {
      const Scene scene;
      std::vector<std::string> layers;
      for (auto entries : attack.layers) {
        for (auto& entry : entries) {
          entry.name = resolved(entry.name, scene);
          entry.text = resolved(entry.text, scene);
        }
        layers.push_back(make_layer(entries));
      }
      const std::string error = apply_layers(scene.destination, layers);
      CHECK(scene.harm() == "");
      INFO("the message is: " << error);
      if (*attack.error != '\0') {
        CHECK(contains(error, attack.error));
      } else {
        CHECK(error == "");
        for (const auto& name : attack.inside) {
          INFO("inside there must be " << resolved(name, scene));
          CHECK(fs::exists(fs::symlink_status(scene.destination + "/" + resolved(name, scene))));
        }
      }
    }
  }
}

TEST_CASE("a name in a message cannot give orders to the terminal") {
  const Scene scene;
  const std::string error = apply_layers(scene.destination, {make_layer({file("../\x1b[2J\x07")})});
  CHECK(contains(error, "leads out"));
  CHECK(in_child([&] {
          ::dup2(::open((scene.outside + "/d/file").c_str(), O_WRONLY | O_TRUNC), STDERR_FILENO);
          report(error);
          return read_file(scene.outside + "/d/file");
        }).find_first_of("\x1b\x07") == std::string::npos);
}

}  // namespace workshop::testing
