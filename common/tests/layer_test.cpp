#include "common/image/layer.hpp"

#include <map>

#include "common/image/entry_name.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/layer_fixture.hpp"
#include "common/tests/scratch.hpp"

namespace workshop::testing {
namespace {

Digest digest_of(const std::string& bytes) {
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(bytes)));
  return hasher.finish();
}

struct LayerCase {
  const char* sentence;
  std::vector<std::vector<Entry>> layers;
  std::map<std::string, std::string> expected;
};

const LayerCase kLayerCases[] = {
    {"an upper layer adds to a lower one", {{file("a", "1")}, {file("b", "2")}}, {{"a", "1"}, {"b", "2"}}},
    {"an upper file replaces a lower one", {{file("a", "1")}, {file("a", "2")}}, {{"a", "2"}}},
    {"of two entries with one name the later one counts",
     {{file("a", "longer"), file("a", "2")}},
     {{"a", "2"}}},
    {"missing parents are made", {{file("a/b/c", "1")}}, {{"a/", ""}, {"a/b/", ""}, {"a/b/c", "1"}}},
    {"names are cleaned",
     {{directory("./"), file("./a//b/./c", "1"), file("/x", "2"), file("a/../y", "3")}},
     {{"a/", ""}, {"a/b/", ""}, {"a/b/c", "1"}, {"x", "2"}, {"y", "3"}}},
    {"a whiteout hides a lower file and does not appear",
     {{file("a", "1"), file("b", "2")}, {whiteout(".wh.a")}},
     {{"b", "2"}}},
    {"a whiteout hides a lower directory with all that is in it",
     {{directory("d"), file("d/x/y", "1"), link("d/l", "/nowhere")}, {whiteout(".wh.d")}},
     {}},
    {"a whiteout hides a symbolic link and not what it names",
     {{file("a", "1"), link("l", "a")}, {whiteout(".wh.l")}},
     {{"a", "1"}}},
    {"a whiteout of what does not exist is fine",
     {{file("a", "1")}, {whiteout(".wh.b"), whiteout("x/y/.wh.z")}},
     {{"a", "1"}}},
    {"a whiteout before its sibling of that name hides the lower one",
     {{directory("d"), file("d/old", "1")}, {whiteout(".wh.d"), directory("d"), file("d/new", "2")}},
     {{"d/", ""}, {"d/new", "2"}}},
    {"a whiteout after its sibling of that name does the same",
     {{directory("d"), file("d/old", "1")}, {directory("d"), file("d/new", "2"), whiteout(".wh.d")}},
     {{"d/", ""}, {"d/new", "2"}}},
    {"a whiteout in the same layer does not hide a file of that layer",
     {{file("a", "1")}, {file("a", "2"), whiteout(".wh.a")}},
     {{"a", "2"}}},
    {"a whiteout in the lowest layer hides nothing", {{file("a", "1"), whiteout(".wh.a")}}, {{"a", "1"}}},
    {"an opaque whiteout before its siblings hides the lower layer's",
     {{file("d/old", "1"), file("d/sub/old", "2")},
      {directory("d"), whiteout("d/.wh..wh..opq"), file("d/new", "3")}},
     {{"d/", ""}, {"d/new", "3"}}},
    {"an opaque whiteout after its siblings hides the lower layer's only",
     {{file("d/old", "1"), file("d/both", "2")},
      {directory("d"), file("d/both", "3"), file("d/new", "4"), whiteout("d/.wh..wh..opq")}},
     {{"d/", ""}, {"d/both", "3"}, {"d/new", "4"}}},
    {"an opaque whiteout reaches into directories that both layers have",
     {{file("d/sub/old", "1"), file("d/gone/old", "2")},
      {file("d/sub/new", "3"), whiteout("d/.wh..wh..opq")}},
     {{"d/", ""}, {"d/sub/", ""}, {"d/sub/new", "3"}}},
    {"an opaque whiteout of the root hides all lower layers",
     {{file("a", "1"), file("d/x", "2")}, {file("b", "3"), whiteout(".wh..wh..opq")}},
     {{"b", "3"}}},
    {"an opaque whiteout does not go through a lower layer's link",
     {{file("real/x", "1"), link("d", "real")},
      {whiteout("d/.wh..wh..opq"), directory("d"), file("d/y", "2")}},
     {{"real/", ""}, {"real/x", "1"}, {"d/", ""}, {"d/y", "2"}}},
    {"what a whiteout hid a third layer can bring back",
     {{file("a", "1")}, {whiteout(".wh.a")}, {file("a", "3")}},
     {{"a", "3"}}},
    {"metadata of AUFS is left out",
     {{directory(".wh..wh.plnk"), file(".wh..wh.plnk/1.2", "x"), file(".wh..wh.aufs", "")}},
     {}},
    {"a hard link across layers", {{file("a", "1")}, {hard_link("b", "a")}}, {{"a", "1"}, {"b", "1"}}},
    {"a hard link to an absolute name",
     {{file("d/a", "1"), hard_link("b", "/d/a")}},
     {{"d/", ""}, {"d/a", "1"}, {"b", "1"}}},
    {"a hard link survives that its first name is replaced",
     {{file("a", "1"), hard_link("b", "a")}, {file("a", "2")}},
     {{"a", "2"}, {"b", "1"}}},
    {"a hard link to itself changes nothing", {{file("a", "1"), hard_link("a", "a")}}, {{"a", "1"}}},
    {"a hard link to a symbolic link is that link",
     {{link("l", "x"), hard_link("m", "l")}},
     {{"l", "-> x"}, {"m", "-> x"}}},
    {"a file replaces a directory", {{file("a/b", "1")}, {file("a", "2")}}, {{"a", "2"}}},
    {"a directory replaces a file",
     {{file("a", "1")}, {directory("a"), file("a/b", "2")}},
     {{"a/", ""}, {"a/b", "2"}}},
    {"a directory replaces a link to a directory",
     {{file("real/x", "1"), link("a", "real")}, {directory("a"), file("a/b", "2")}},
     {{"real/", ""}, {"real/x", "1"}, {"a/", ""}, {"a/b", "2"}}},
    {"a link replaces a directory", {{file("a/b", "1")}, {link("a", "x")}}, {{"a", "-> x"}}},
    {"a fifo replaces a file and the other way round",
     {{file("a", "1"), {Entry::fifo, "b"}}, {{Entry::fifo, "a"}, file("b", "2")}},
     {{"a", "| fifo"}, {"b", "2"}}},
    {"a directory in both layers keeps the lower one's files",
     {{directory("d"), file("d/a", "1")}, {directory("d"), file("d/b", "2")}},
     {{"d/", ""}, {"d/a", "1"}, {"d/b", "2"}}},
    {"names go through links as in the image",
     {{directory("usr/lib"), link("lib", "usr/lib")}, {file("lib/x", "1")}},
     {{"usr/", ""}, {"usr/lib/", ""}, {"lib", "-> usr/lib"}, {"usr/lib/x", "1"}}},
    {"an absolute link leads to the image's own directory",
     {{directory("run"), link("var/run", "/run"), file("var/run/x", "1")}},
     {{"run/", ""}, {"var/", ""}, {"var/run", "-> /run"}, {"run/x", "1"}}},
    {"what a link names is made when something is to go there",
     {{link("var/run", "/run/really"), link("l", "var/run"), file("l/x", "1")}},
     {{"var/", ""},
      {"var/run", "-> /run/really"},
      {"l", "-> var/run"},
      {"run/", ""},
      {"run/really/", ""},
      {"run/really/x", "1"}}},
    {"a directory that is replaced is not written to any more",
     {{file("d/a", "1"), link("d", "e"), file("d/b", "2")}},
     {{"d", "-> e"}, {"e/", ""}, {"e/b", "2"}}},
    {"a link that is replaced is not followed any more",
     {{directory("one"), directory("two"), link("l", "one"), file("l/a", "1"), link("l", "two"),
       file("l/b", "2")}},
     {{"one/", ""}, {"one/a", "1"}, {"two/", ""}, {"two/b", "2"}, {"l", "-> two"}}},
    {"empty layers change nothing", {{}, {file("a", "1")}, {}}, {{"a", "1"}}},
    {"names of 255 bytes and paths of thousands",
     {{file(std::string(200, 'a') + "/" + std::string(200, 'b') + "/" + std::string(255, 'c'), "1")}},
     {{std::string(200, 'a') + "/", ""},
      {std::string(200, 'a') + "/" + std::string(200, 'b') + "/", ""},
      {std::string(200, 'a') + "/" + std::string(200, 'b') + "/" + std::string(255, 'c'), "1"}}},
};

}  // namespace

TEST_CASE("layers are applied as the OCI image specification says") {
  for (const auto& row : kLayerCases) {
    DYNAMIC_SECTION(row.sentence) {
      const Scratch scratch;
      std::vector<std::string> layers;
      for (const auto& entries : row.layers) layers.push_back(make_layer(entries));
      extract(layers, scratch.path());
      CHECK(difference(row.expected, names_in(scratch.path())) == "");
    }
  }
}

TEST_CASE("the diff_id is the digest of the unpacked archive, however it is packed") {
  const std::string tar =
      make_layer({file("a", std::string(1'000'000, 'x')), directory("d")}) + std::string(100'000, '\0');
  const std::string middle = tar.substr(0, 300'000), end = tar.substr(300'000);
  const std::map<std::string, std::string> packed = {
      {"not at all", tar},
      {"gzip", compress(tar, "gzip")},
      {"gzip, two members", compress(middle, "gzip") + compress(end, "gzip")},
      {"gzip, three members, one of them empty",
       compress(middle, "gzip") + compress("", "gzip") + compress(end, "gzip")},
      {"gzip, with extra fields, a name and a comment",
       std::string("\x1f\x8b\x08\x1c\0\0\0\0\0\3\6\0extra.name\0a comment\0", 33) +
           compress(tar, "gzip").substr(10)},
      {"zstd", compress(tar, "zstd")},
      {"zstd, two frames", compress(middle, "zstd") + compress(end, "zstd")},
      {"zstd, a skippable frame before",
       std::string("\x50\x2a\x4d\x18\x04\0\0\0abcd", 12) + compress(tar, "zstd")},
  };
  for (const auto& [how, bytes] : packed) {
    for (const std::size_t piece : {std::size_t{1} << 20, std::size_t{7}}) {
      DYNAMIC_SECTION(how << ", read by " << piece) {
        const Scratch scratch;
        Extraction extraction(scratch.path());
        CHECK(extraction.apply(source_of(bytes, piece)) == digest_of(tar));
        CHECK(read_file(scratch / "a").size() == 1'000'000);
      }
    }
  }
}

TEST_CASE("no bytes, an empty archive and gzip of nothing are empty layers") {
  const std::string empty_archive(1024, '\0');
  for (const auto& [bytes, unpacked] : std::map<std::string, std::string>{{"", ""},
                                                                          {empty_archive, empty_archive},
                                                                          {compress("", "gzip"), ""},
                                                                          {compress("", "zstd"), ""}}) {
    const Scratch scratch;
    Extraction extraction(scratch.path());
    CHECK(extraction.apply(source_of(bytes)) == digest_of(unpacked));
    CHECK(names_in(scratch.path()).empty());
  }
}

TEST_CASE("a broken layer is an error that says how it is broken") {
  std::string noise;
  for (unsigned i = 0, state = 1; i < 200'000; ++i)
    noise += static_cast<char>((state = state * 1103515245 + 12345) >> 16);
  const std::string tar = make_layer({file("a", noise), file("b", noise)});
  const std::string gzip = compress(tar, "gzip"), zstd = compress(tar, "zstd");
  const auto damaged = [](std::string bytes, std::size_t at) { return bytes[at] ^= 0x55, bytes; };
  const struct {
    const char* what;
    std::string bytes;
    const char* message;
  } rows[] = {
      {"gzip without its last byte", gzip.substr(0, gzip.size() - 1), "truncated"},
      {"gzip without its check sum", gzip.substr(0, gzip.size() - 8), "truncated"},
      {"half of a gzip", gzip.substr(0, gzip.size() / 2), "truncated"},
      {"a gzip header alone", gzip.substr(0, 10), "truncated"},
      {"part of a gzip header", gzip.substr(0, 3), "truncated"},
      {"gzip and something else behind it", gzip + "something else", "gzip"},
      {"gzip with a wrong check sum", damaged(gzip, gzip.size() - 5), "gzip"},
      {"gzip damaged in the middle", damaged(gzip, gzip.size() / 2), "gzip"},
      {"half of a zstd", zstd.substr(0, zstd.size() / 2), "truncated"},
      {"zstd without its last byte", zstd.substr(0, zstd.size() - 1), "truncated"},
      {"zstd damaged at its beginning", damaged(zstd, 6), "zstd"},
      {"half of a tar archive", tar.substr(0, tar.size() / 2), "truncated"},
      {"a tar archive damaged in a header", damaged(tar, 100), "not a tar archive"},
      {"a page of HTML", "<html>" + std::string(2000, ' ') + "</html>", "not a tar archive"},
      {"one byte", "x", "not a tar archive"},
      {"gzip of what is no archive", compress(noise, "gzip"), "not a tar archive"},
  };
  for (const auto& row : rows) {
    DYNAMIC_SECTION(row.what) {
      const Scratch scratch;
      const std::string failure = error_of([&] { extract({row.bytes}, scratch.path()); });
      INFO("the message is: " << failure);
      CHECK(contains(failure, row.message));
    }
  }
}

TEST_CASE("whatever the archive's source throws is thrown") {
  const Scratch scratch;
  const std::string tar = make_layer({file("a", std::string(3'000'000, 'x'))});
  auto source = source_of(tar);
  std::size_t left = 1'000'000;
  Extraction extraction(scratch.path());
  CHECK_THROWS_WITH(extraction.apply([&](std::span<std::byte> output) {
    const std::size_t count = source(output);
    if (count > left) throw std::runtime_error("the network is down");
    left -= count;
    return count;
  }),
                    "the network is down");
}

TEST_CASE("a destination that is not an empty directory is refused") {
  const Scratch scratch;
  CHECK(contains(error_of([&] { Extraction(scratch / "missing"); }), "No such file"));
  CHECK(contains(error_of([&] { Extraction("/dev/null"); }), "Not a directory"));
  scratch.directory("d");
  CHECK(contains(error_of([&] { Extraction(scratch.path()); }), "is not empty"));
  Extraction(scratch / "d");
}

TEST_CASE("entry names are cleaned and whiteouts recognised") {
  const struct {
    const char* name;
    EntryKind kind;
    EntryName expected;
  } rows[] = {
      {"a", EntryKind::file, {"", "a"}},
      {"./", EntryKind::file, {"", ""}},
      {"/a/../b//c/.", EntryKind::file, {"b", "c"}},
      {"a/.wh.b", EntryKind::whiteout, {"a", "b"}},
      {".wh....", EntryKind::whiteout, {"", "..."}},
      {"a/b/.wh..wh..opq", EntryKind::opaque_whiteout, {"a", "b"}},
      {".wh..wh..opq", EntryKind::opaque_whiteout, {"", ""}},
      {"wh.a", EntryKind::file, {"", "wh.a"}},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    EntryName name = EntryName::parse(row.name);
    CHECK(parse_whiteout(name) == row.kind);
    CHECK(name == row.expected);
  }
  for (const char* name : {"..", "../a", "a/../../b", "/.."})
    CHECK(contains(error_of([&] { EntryName::parse(name); }), "leads out"));
  CHECK(contains(error_of([&] { EntryName::parse(std::string(5000, 'a')); }), "longer"));
}

TEST_CASE("a digest is sha256 and 64 lower-case digits") {
  CHECK(digest_of("").string() == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string digits(64, 'a');
  CHECK(Digest::parse("sha256:" + digits).hex() == digits);
  for (const std::string& bad :
       {std::string(), digits, "sha256:" + digits + "a", "sha256:" + digits.substr(1),
        "sha512:" + digits + digits, "SHA256:" + digits, "sha256:" + digits.substr(1) + "A",
        "sha256:" + digits.substr(3) + "/..", "sha256:" + digits.substr(1) + "\n"}) {
    INFO(bad);
    CHECK(contains(error_of([&] { Digest::parse(bad); }), "is not a digest"));
  }
}

}  // namespace workshop::testing
