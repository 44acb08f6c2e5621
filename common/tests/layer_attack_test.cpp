// Archives that want out. Each is applied beside a directory `outside`, which must not change in any way;
// then it is looked at what happened inside.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "common/image/layer.hpp"
#include "common/sys/error.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/archive.hpp"
#include "common/tests/scratch.hpp"

namespace workshop::testing {
namespace {

namespace fs = std::filesystem;

/// A destination and, beside it, what is not to be touched: outside/secret (mode 0600) and outside/d/file.
struct Scene {
  Scratch scratch;
  std::string destination = scratch.directory("destination");
  std::string outside = scratch.directory("outside");
  Snapshot before;

  Scene() {
    scratch.shell(
        "echo secret > outside/secret; chmod 600 outside/secret; mkdir outside/d; echo file > "
        "outside/d/file");
    before = snapshot(outside, true);
  }

  /// `text` with OUTSIDE replaced by the absolute path of that directory.
  std::string resolved(std::string text) const {
    if (const auto at = text.find("OUTSIDE"); at != std::string::npos) text.replace(at, 7, outside);
    return text;
  }
};

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
    {"a hard link below a link to outside",
     {{file("a"), link("l", "OUTSIDE"), hard_link("l/secret", "a")}},
     "",
     {"OUTSIDE/secret"}},
    {"a whiteout of a name with ..", {{file("a")}, {file("../outside/.wh.secret")}}, "leads out"},
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

std::string apply_layers(const std::string& destination, const std::vector<std::string>& layers) {
  return error_of([&] {
    Extraction extraction(destination);
    for (const auto& layer : layers) extraction.apply(source_of(layer));
    extraction.finish();
  });
}

/// Has another thread exchange two names in `directory` all the time (renameat2(2), RENAME_EXCHANGE).
class Swapping {
 public:
  Swapping(const std::string& directory, const std::string& one, const std::string& other)
      : thread_([=, this] {
          const std::string first = directory + "/" + one, second = directory + "/" + other;
          while (!done_) {
            constexpr unsigned kExchange = 2;
            if (::syscall(SYS_renameat2, AT_FDCWD, first.c_str(), AT_FDCWD, second.c_str(), kExchange) == 0)
              ++swaps_;
          }
        }) {}
  ~Swapping() {
    done_ = true;
    thread_.join();
  }
  Swapping(const Swapping&) = delete;
  Swapping& operator=(const Swapping&) = delete;

  int swaps() const { return swaps_; }

 private:
  std::atomic<bool> done_ = false;
  std::atomic<int> swaps_ = 0;
  std::thread thread_;
};

}  // namespace

TEST_CASE("no archive reaches outside the destination") {
  for (const auto& attack : kAttacks) {
    DYNAMIC_SECTION(attack.sentence) {
      const Scene scene;
      std::vector<std::string> layers;
      for (auto entries : attack.layers) {
        for (auto& entry : entries) {
          entry.name = scene.resolved(entry.name);
          entry.text = scene.resolved(entry.text);
        }
        layers.push_back(make_layer(entries));
      }
      const std::string error = apply_layers(scene.destination, layers);
      CHECK(difference(scene.before, snapshot(scene.outside, true)) == "");
      INFO("the message is: " << error);
      if (*attack.error != '\0') {
        CHECK(contains(error, attack.error));
      } else {
        CHECK(error == "");
        for (const auto& name : attack.inside) {
          INFO("inside there must be " << scene.resolved(name));
          CHECK(fs::exists(fs::symlink_status(scene.destination + "/" + scene.resolved(name))));
        }
      }
    }
  }
}

TEST_CASE("an archive does not reach outside while another process swaps directories for links") {
  // The swapped names are two levels up, so that directories must be looked up again: more of them than stay
  // open.
  std::vector<Entry> entries = {directory("p"), directory("p/d"), link("p/l", "../../outside")};
  const std::string lower = make_layer(entries);
  entries.clear();
  for (int i = 0; i < 3000; ++i) {
    entries.push_back(file(fmt::format("p/d/s{}/new", i % 300)));
    entries.push_back(file(fmt::format("p/d/new{}", i)));
    if (i % 50 == 0) entries.push_back(file("p/d/.wh.secret"));
  }
  const std::string upper = make_layer(entries);
  const Scene scene;
  Extraction extraction(scene.destination);
  extraction.apply(source_of(lower));
  int swaps = 0;
  {
    const Swapping swapping(scene.destination + "/p", "d", "l");
    error_of([&] { extraction.apply(source_of(upper)); });  // it may well fail
    swaps = swapping.swaps();
  }
  CHECK(swaps > 0);
  CHECK(difference(scene.before, snapshot(scene.outside, true)) == "");
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

TEST_CASE("a header of any size takes bounded memory") {
  const Scene scene;
  const auto sparse_map = [](int blocks) {  // GNU sparse format 1.0: the map stands before the data
    std::string map = fmt::format("{}\n", blocks);
    for (int i = 0; i < blocks; ++i) map += "0\n0\n";
    map.resize((map.size() + 511) / 512 * 512);
    Entry entry{Entry::file, "GNUSparseFile.0/sparse", map};
    std::string layer = make_layer({entry}, "ustar");
    const std::string records =
        "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n30 GNU.sparse.name=sparse-xxx\n";
    std::string header = make_layer({{Entry::file, "pax", records}}, "ustar").substr(0, 1024);
    header[156] = 'x';
    unsigned sum = 0;
    header.replace(148, 8, 8, ' ');
    for (int i = 0; i < 512; ++i) sum += static_cast<unsigned char>(header[i]);
    header.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
    return header + layer;
  };
  CHECK(apply_layers(scene.destination, {sparse_map(1000)}) == "");
  const Scene other;
  CHECK(contains(apply_layers(other.destination, {sparse_map(5'000'000)}), "header of more than"));
}

TEST_CASE("a tree deeper than any path can name is made and removed") {
  std::vector<Entry> entries;
  std::string path;
  for (int i = 0; i < 200; ++i) path += "d/";
  entries.push_back(file(path + "x"));
  for (int i = 0; i < 12; ++i) {  // each link shortens the way to the bottom
    entries.push_back(link(fmt::format("l{}", i), i == 0 ? path : fmt::format("l{}/{}", i - 1, path)));
    entries.push_back(file(fmt::format("l{}/{}x", i, path)));
  }
  const Scene scene;
  CHECK(apply_layers(scene.destination, {make_layer(entries), make_layer({file(".wh.d"), file("after")})}) ==
        "");
  CHECK_FALSE(fs::exists(scene.destination + "/d"));
  CHECK(fs::exists(scene.destination + "/after"));
}

}  // namespace workshop::testing
