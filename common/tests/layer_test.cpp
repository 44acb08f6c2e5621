#include "common/image/layer.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "common/image/entry_name.hpp"
#include "common/sys/error.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/archive.hpp"
#include "common/tests/scratch.hpp"

namespace workshop::testing {
namespace {

Digest digest_of(const std::string& bytes) {
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(bytes)));
  return hasher.finish();
}

ExtractionNotices extract(const std::vector<std::string>& layers, const std::string& destination,
                          const ExtractionLimits& limits = {}) {
  Extraction extraction(destination, limits);
  for (const auto& layer : layers) extraction.apply(source_of(layer));
  return extraction.finish();
}

/// Names and contents alone: "a/" for a directory, "a" → "text", "a" → "-> target", "a" → "| fifo".
std::map<std::string, std::string> names_in(const std::string& directory) {
  std::map<std::string, std::string> result;
  for (const auto& [name, line] : snapshot(directory)) {
    const auto begin = line.find('[') + 1;
    const std::string text = line.substr(begin, line.find(']') - begin);
    const unsigned type = static_cast<unsigned>(std::stoul(line, nullptr, 8)) & S_IFMT;
    if (name == ".") continue;
    if (type == S_IFDIR) result[name + "/"] = "";
    if (type == S_IFREG) result[name] = text;
    if (type == S_IFLNK) result[name] = "-> " + text;
    if (type == S_IFIFO) result[name] = "| fifo";
  }
  return result;
}

Entry file(const std::string& name, const std::string& text) {
  return {Entry::file, name, text};
}
Entry directory(const std::string& name) {
  return {Entry::directory, name, "", 0755};
}
Entry link(const std::string& name, const std::string& target) {
  return {Entry::link, name, target, 0777};
}
Entry hard_link(const std::string& name, const std::string& target) {
  return {Entry::hard_link, name, target};
}
Entry whiteout(const std::string& name) {
  return file(name, "");
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

TEST_CASE("limits hold for all layers together") {
  const std::string tar = make_layer({file("a", std::string(3'000'000, '\0')), file("b", "")});
  const std::string gzip = compress(tar, "gzip");
  REQUIRE(gzip.size() < 10'000);
  const Scratch scratch;
  const auto refused = [&](const std::vector<std::string>& layers, ExtractionLimits limits) {
    const Scratch other;
    try {
      extract(layers, other.path(), limits);
      return false;
    } catch (const LimitExceeded&) {
      return true;
    }
  };
  CHECK(refused({gzip}, {.bytes = 1'000'000}));
  CHECK_FALSE(refused({gzip}, {.bytes = 4'000'000}));
  CHECK(refused({gzip, gzip}, {.bytes = 4'000'000}));
  CHECK(refused({gzip}, {.entries = 1}));
  CHECK_FALSE(refused({gzip}, {.entries = 2}));
  CHECK(refused({gzip, gzip}, {.entries = 3}));
  CHECK(refused({make_layer({file("a/b/c/d/e", "")})}, {.entries = 4}));
  CHECK(refused({tar.substr(0, 1024) + std::string(10'000'000, '\0')},
                {.bytes = 5'000'000}));  // behind the end
}

TEST_CASE("numbers and names of every kind of tar come out as GNU tar takes them") {
  const Scratch scratch;
  scratch.shell(R"sh(
    mkdir -p tree/d/e tree/readonly tree/$(printf 'n%.0s' $(seq 120))/$(printf 'm%.0s' $(seq 150))
    echo text > tree/d/file; echo x > tree/d/$(printf 'f%.0s' $(seq 200)); : > tree/empty
    ln tree/d/file tree/d/e/hard; ln -s ../../file tree/d/e/soft; ln -s $(printf 't%.0s' $(seq 200)) tree/longlink
    mkfifo tree/fifo; chmod 2755 tree/d; chmod 1777 tree/d/e; echo x > tree/readonly/x
    printf begin > tree/sparse; truncate -s 5M tree/sparse; printf middle >> tree/sparse; truncate -s 20M tree/sparse
    if [ $(id -u) = 0 ]; then
      chown 1234:5678 tree/d/file tree/d/e; chown -h 3000000000:4000000000 tree/longlink
      mknod tree/null c 1 3; mknod tree/disk b 7 200
    fi
    chmod 4755 tree/d/file
    touch -h -d '2001-02-03 04:05:06.123456789Z' tree/d/e tree/longlink
    touch -d '1969-12-31T23:59:58.75Z' tree/empty
    touch -d '1901-12-14T00:00:00Z' tree/fifo
    touch -d '2150-01-01T00:00:00.5Z' tree/d/file tree/d
    chmod 0555 tree/readonly
  )sh");
  for (const std::string format : {"pax", "gnu", "oldgnu", "posix --sparse", "gnu --sparse"}) {
    DYNAMIC_SECTION(format) {
      scratch.shell("tar --numeric-owner --format=" + format + " -cf layer.tar -C tree .");
      scratch.shell("mkdir theirs && tar --numeric-owner -xpf layer.tar -C theirs");
      const std::string ours = scratch.directory("ours");
      extract({read_file(scratch / "layer.tar")}, ours);
      CHECK(difference(snapshot(scratch / "theirs"), snapshot(ours)) == "");
      struct stat status {};
      REQUIRE(::stat((ours + "/sparse").c_str(), &status) == 0);
      if (format.find("--sparse") != std::string::npos) CHECK(status.st_blocks * 512 < 1 << 20);
      scratch.shell("chmod -R u+w ours theirs; rm -r ours theirs");
    }
  }
}

TEST_CASE("names are bytes, in whatever encoding") {
  const Scratch scratch;
  scratch.shell(R"sh(
    mkdir tree tree/$(printf '\303\251t\303\251'); echo x > tree/$(printf 'caf\351')
    ln -s $(printf 'caf\351') tree/$(printf 'soft\351'); ln tree/$(printf 'caf\351') tree/$(printf 'hard\351')
  )sh");
  for (const std::string format : {"ustar", "gnu", "pax"}) {
    DYNAMIC_SECTION(format) {
      scratch.shell("LC_ALL=C tar --numeric-owner --sort=name --format=" + format +
                    " -cf layer.tar -C tree .");
      scratch.shell("rm -rf ours; mkdir ours");
      extract({read_file(scratch / "layer.tar")}, scratch / "ours");
      CHECK(difference(names_in(scratch / "tree"), names_in(scratch / "ours")) == "");
    }
  }
}

TEST_CASE("directories keep times and modes whatever happens in them afterwards") {
  const Scratch scratch;
  Entry sealed{Entry::directory, "sealed", "", 0500, ::geteuid(), ::getegid(), 1'111'111'111, 222'222'222};
  Entry closed{Entry::directory, "closed", "", 0000, ::geteuid(), ::getegid(), -5, 0};
  Entry other{Entry::directory, "closed", "", 0711, ::geteuid(), ::getegid(), 1'333'333'333, 0};
  Extraction extraction(scratch.path());
  extraction.apply(
      source_of(make_layer({sealed, file("sealed/a", "1"), closed, file("closed/d/b", "2"), file("x", "")})));
  extraction.apply(
      source_of(make_layer({file("sealed/c", "3"), whiteout("sealed/.wh.a"), whiteout("closed/.wh.d")})));
  SECTION("in lower layers and upper ones") {
    extraction.finish();
    struct stat status {};
    REQUIRE(::stat((scratch / "sealed").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0500);
    CHECK(status.st_mtim.tv_sec == 1'111'111'111);
    CHECK(status.st_mtim.tv_nsec == 222'222'222);
    REQUIRE(::stat((scratch / "closed").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0000);
    CHECK(status.st_mtim.tv_sec == -5);
  }
  SECTION("the last entry counts") {
    extraction.apply(source_of(make_layer({other, whiteout(".wh.sealed"), file("sealed", "a file now")})));
    extraction.finish();
    struct stat status {};
    REQUIRE(::stat((scratch / "closed").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0711);
    CHECK(read_file(scratch / "sealed") == "a file now");
  }
  SECTION("not what is reached by the name of one that is gone") {
    extraction.apply(source_of(make_layer({directory("open"), link("closed", "open")})));
    extraction.finish();
    struct stat status {};
    REQUIRE(::stat((scratch / "open").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0755);
  }
  SECTION("an opaque whiteout that comes late leaves a directory its time") {
    Entry kept{Entry::directory, "d/kept", "", 0755, 0, 0, 1'444'444'444, 0};
    extraction.apply(source_of(make_layer({file("d/kept/lower", "")})));
    extraction.apply(
        source_of(make_layer({directory("d"), kept, file("d/kept/a", ""), whiteout("d/.wh..wh..opq")})));
    extraction.finish();
    struct stat status {};
    REQUIRE(::stat((scratch / "d/kept").c_str(), &status) == 0);
    CHECK(status.st_mtim.tv_sec == 1'444'444'444);
    CHECK(::access((scratch / "d/kept/lower").c_str(), F_OK) == -1);
  }
}

TEST_CASE("capabilities and other attributes come with a file; those that are the host's do not") {
  if (::geteuid() != 0) WORKSHOP_SKIP("only root may set capabilities: run the tests as root");
  const Scratch scratch;
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);  // CAP_NET_BIND_SERVICE
  Entry entry{Entry::file, "ping", "binary", 04755, 1000, 1000};
  entry.attributes = {{"security.capability", capability},
                      {"trusted.kept", "value"},
                      {"trusted.overlay.redirect", "/etc"},
                      {"security.selinux", "system_u"}};
  for (const std::string format : {"pax", "schily"}) {
    DYNAMIC_SECTION(format) {
      const std::string layer = make_layer({entry});
      const auto notices = extract({layer}, scratch.path());
      const std::string line = snapshot(scratch.path())["ping"];
      INFO(line);
      CHECK(line.find("104755 1000:1000") == 0);
      CHECK(contains(line, "security.capability=0100000200040000"));
      CHECK(contains(line, "trusted.kept=76616c7565"));
      CHECK_FALSE(contains(line, "overlay"));
      CHECK_FALSE(contains(line, "selinux"));
      CHECK(notices.xattrs_left_out == 0);
      scratch.shell("rm ping");
    }
  }
}

TEST_CASE("who may not give files away keeps them, without set-user-ID bits, and is told so") {
  const std::vector<Entry> entries = {{Entry::file, "theirs", "x", 06755, 4242, 4343},
                                      {Entry::file, "too_large", "x", 04755, 5'000'000'000, 0},
                                      {Entry::directory, "d", "", 0755, 4242, 4343},
                                      {Entry::character_device, "null", "", 0666},
                                      {Entry::character_device, "d/null", "", 0666}};
  const std::string layer = make_layer(entries, "pax");
  const auto extract_and_tell = [&](const std::string& path) {
    const auto notices = extract({layer}, path);
    std::string names;
    for (const auto& [name, line] : snapshot(path)) names += name + " " + line.substr(0, 6) + "; ";
    return fmt::format("owners {}, devices {}: {}", notices.owners_left_out, notices.devices_left_out, names);
  };
  const std::string expected =
      "owners true, devices 2: . 040755; d 040755; theirs 100755; too_large 100755; ";
  const Scratch scratch;
  REQUIRE(::chmod(scratch.path().c_str(), 0755) == 0);
  SECTION("an ordinary user") {
    CHECK(in_child([&] {
            become_user(scratch.path());
            return extract_and_tell(scratch.path());
          }) == expected);
  }
  SECTION("root of a user namespace that has one id") {
    CHECK(in_child([&] {
            enter_user_namespace();
            return extract_and_tell(scratch.path());
          }) == expected);
  }
}

TEST_CASE("an ordinary user can work in directories that forbid it") {
  const Scratch scratch;
  const auto mine = [](const std::string& name, unsigned mode) {
    return Entry{Entry::directory, name, "", mode};
  };
  CHECK(in_child([&] {
          become_user(scratch.path());
          extract({make_layer({mine("a", 0), mine("a/b", 0), file("a/b/c", "1"), mine("a/x", 0400),
                               file("a/x/y", "2")}),
                   make_layer({whiteout("a/.wh.x"), file("a/b/d", "3")})},
                  scratch.path());
          ::chmod((scratch / "a").c_str(), 0700);
          struct stat status {};
          ::stat((scratch / "a/b").c_str(), &status);
          ::chmod((scratch / "a/b").c_str(), 0700);
          std::string names;
          for (const auto& [name, text] : names_in(scratch.path())) names += name + "=" + text + " ";
          return fmt::format("{:o} {}", status.st_mode & 07777, names);
        }) == "0 a/= a/b/= a/b/c=1 a/b/d=3 ");
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
