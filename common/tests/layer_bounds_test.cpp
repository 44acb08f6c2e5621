// Layers that want all the memory, descriptors or disk of the machine.

#include <sys/resource.h>

#include <filesystem>

#include "common/image/layer.hpp"
#include "common/sys/error.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/layer_fixture.hpp"
#include "common/tests/layer_scene.hpp"

namespace workshop::testing {
namespace {

namespace fs = std::filesystem;

/// A header block with other text in the field at `offset`, and the check sum for it (tar(5)).
std::string with_field(std::string header, std::size_t offset, const std::string& text) {
  header.replace(offset, text.size(), text);
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  return header.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
}

/// Something about the next entry: 'x' are pax records, 'L' is a long name as GNU tar has them.
std::string extension(char type, std::string body) {
  const std::string header = make_layer({file("extension", body)}, "ustar").substr(0, 512);
  body.resize((body.size() + 511) / 512 * 512);
  return with_field(header, 156, {type}) + body;
}

/// A file in GNU's sparse format 1.0: the map of its blocks stands before its data.
std::string sparse_file(int blocks) {
  std::string map = fmt::format("{}\n", blocks);
  for (int i = 0; i < blocks; ++i) map += "0\n0\n";
  map.resize((map.size() + 511) / 512 * 512);
  return extension('x', "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n30 GNU.sparse.name=sparse-xxx\n") +
         make_layer({file("GNUSparseFile.0/sparse", map)}, "ustar");
}

/// A file whose header says that it has a petabyte, in base 256.
std::string petabyte_file() {
  const std::string layer = make_layer({file("a", "")}, "ustar");
  return with_field(layer.substr(0, 512), 124, std::string("\x80\0\0\0\0\4\0\0\0\0\0\0", 12)) +
         layer.substr(512);
}

/// Directories with long paths and without permissions: these are given when all is there.
std::string closed_directories(int count) {
  std::vector<Entry> entries;
  for (int i = 0; i < count; ++i)
    entries.push_back(
        {Entry::directory, fmt::format("{}/{}/{}", std::string(250, 'a'), std::string(250, 'b'), i), "", 0});
  return make_layer(entries);
}

std::string repeated(const std::string& text, int count) {
  std::string result;
  while (count-- > 0) result += text;
  return result;
}

/// What this process has had of memory at its most, in MiB.
long most_memory() {
  rusage usage{};
  check(::getrusage(RUSAGE_SELF, &usage), "getrusage()");
  return usage.ru_maxrss >> 10;
}

}  // namespace

TEST_CASE("limits hold for all layers together") {
  const std::string tar = make_layer({file("a", std::string(3'000'000, '\0')), file("b", "")});
  const std::string gzip = compress(tar, "gzip");
  const struct {
    const char* what;
    std::vector<std::string> layers;
    ExtractionLimits limits;
    const char* message;  // "" if it is accepted
  } rows[] = {
      {"a few kilobytes that unpack to megabytes", {gzip}, {.bytes = 1'000'000}, "unpacks to more than"},
      {"what is not too large", {gzip}, {.bytes = 4'000'000}, ""},
      {"two layers that are too large together", {gzip, gzip}, {.bytes = 4'000'000}, "unpacks to more than"},
      {"zeros behind the end of the archive",
       {tar.substr(0, 1024) + std::string(10'000'000, '\0')},
       {.bytes = 5'000'000},
       "unpacks to more than"},
      {"members of gzip without end",
       {gzip + repeated(compress(std::string(1 << 20, '\0'), "gzip"), 200)},
       {.bytes = 20 << 20},
       "unpacks to more than"},
      {"frames of zstd without end",
       {compress(tar, "zstd") + repeated(compress(std::string(1 << 20, '\0'), "zstd"), 200)},
       {.bytes = 20 << 20},
       "unpacks to more than"},
      {"a file that is said to have a petabyte", {petabyte_file()}, {}, "unpacks to more than"},
      {"too many files", {gzip}, {.entries = 1}, "more than 1 files"},
      {"files that are not too many", {gzip}, {.entries = 2}, ""},
      {"two layers with too many files together", {gzip, gzip}, {.entries = 3}, "more than 3 files"},
      {"too many directories that no entry describes",
       {make_layer({file("a/b/c/d/e", "")})},
       {.entries = 4},
       "more than 4 files"},
      {"too many whiteouts",
       {make_layer({whiteout(".wh.a"), whiteout(".wh.b")})},
       {.entries = 1},
       "more than 1 files"},
      {"too many names beside those of a lower layer",
       {gzip, closed_directories(1)},
       {.names = 500},
       "names of more than"},
      {"too many names of directories whose modes wait",
       {closed_directories(100)},
       {.names = 50'000},
       "names of more than"},
      {"names that are not too many", {closed_directories(100)}, {.names = 70'000}, ""},
  };
  for (const auto& row : rows) {
    DYNAMIC_SECTION(row.what) {
      const Scratch scratch;
      const std::string error = error_of([&] { extract(row.layers, scratch.path(), row.limits); });
      INFO("the message is: " << error);
      CHECK((*row.message == '\0' ? error.empty() : contains(error, row.message)));
    }
  }
}

TEST_CASE("headers, names and windows of any size take bounded memory") {
  constexpr std::size_t kHuge = 100 << 20;
  const struct {
    const char* what;
    std::function<std::string()> layer;
    const char* message;  // "" if it is accepted
  } rows[] = {
      {"a sparse file of a thousand blocks", [] { return sparse_file(1000); }, ""},
      {"a sparse file of five million blocks", [] { return sparse_file(5'000'000); }, "header of more than"},
      {"a long name", [] { return extension('L', std::string(kHuge, 'a')); }, "header too large"},
      {"a long link", [] { return extension('K', std::string(kHuge, 'a')); }, "header too large"},
      {"long pax records", [] { return extension('x', std::string(kHuge, '1')); }, "layer"},
      {"a zstd frame that wants a window of 2 GiB",
       [] { return std::string("\x28\xb5\x2f\xfd\0\xa8\1\0\0", 9); }, "zstd"},
  };
  for (const auto& row : rows) {
    DYNAMIC_SECTION(row.what) {
      const Scene scene;
      const std::vector<std::string> layers = {row.layer()};
      const std::string answer = in_child([&] {
        const long before = most_memory();
        const std::string error = apply_layers(scene.destination, layers);
        return fmt::format("{} MiB: {}", most_memory() - before, error);
      });
      INFO(answer);
      CHECK((*row.message == '\0' ? answer.ends_with(": ") : contains(answer, row.message)));
#ifndef __SANITIZE_ADDRESS__  // which keeps what is freed
      CHECK(std::stol(answer) < 100);
#endif
    }
  }
}

TEST_CASE("however many directories a layer has, few are open") {
  std::vector<Entry> entries;
  for (int i = 0; i < 400; ++i) entries.push_back(file(fmt::format("{}/x", i % 200), "text"));
  const Scene scene;
  const std::string layer = make_layer(entries);
  CHECK(in_child([&] {
          const rlimit few{160, 160};
          check(::setrlimit(RLIMIT_NOFILE, &few), "setrlimit(RLIMIT_NOFILE)");
          return apply_layers(scene.destination, {layer});
        }) == "");
}

TEST_CASE("a tree deeper than any path can name is made and removed") {
  std::vector<Entry> entries;
  std::string path;
  for (int i = 0; i < 200; ++i) path += "d/";
  entries.push_back(file(path + "x", ""));
  for (int i = 0; i < 12; ++i) {  // each link shortens the way to the bottom
    entries.push_back(link(fmt::format("l{}", i), i == 0 ? path : fmt::format("l{}/{}", i - 1, path)));
    entries.push_back(file(fmt::format("l{}/{}x", i, path), ""));
  }
  const Scene scene;
  CHECK(apply_layers(scene.destination,
                     {make_layer(entries), make_layer({whiteout(".wh.d"), file("after", "")})}) == "");
  CHECK_FALSE(fs::exists(scene.destination + "/d"));
  CHECK(fs::exists(scene.destination + "/after"));
}

}  // namespace workshop::testing
