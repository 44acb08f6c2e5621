#include "common/image/name.hpp"

#include "common/testing/catch.hpp"
#include "common/tests/scratch.hpp"

using workshop::ImageName;
using workshop::testing::contains;
using workshop::testing::error_of;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

struct Row {
  std::string text, registry, repository, tag, digest, familiar, directory;
};

const Row kValid[] = {
    {"busybox", "docker.io", "library/busybox", "latest", "", "busybox", "busybox"},
    {"debian:12", "docker.io", "library/debian", "12", "", "debian:12", "debian:12"},
    {"debian:latest", "docker.io", "library/debian", "latest", "", "debian", "debian"},
    {"docker.io/library/debian:12", "docker.io", "library/debian", "12", "", "debian:12", "debian:12"},
    {"index.docker.io/debian", "docker.io", "library/debian", "latest", "", "debian", "debian"},
    {"team/app", "docker.io", "team/app", "latest", "", "team/app", "team+app"},
    {"library/a/b", "docker.io", "library/a/b", "latest", "", "library/a/b", "library+a+b"},
    {"localhost/x", "localhost", "x", "latest", "", "localhost/x", "localhost+x"},
    {"127.0.0.1:5000/library/debian:12", "127.0.0.1:5000", "library/debian", "12", "",
     "127.0.0.1:5000/library/debian:12", "127.0.0.1:5000+library+debian:12"},
    {"[::1]:5000/x", "[::1]:5000", "x", "latest", "", "[::1]:5000/x", "[::1]:5000+x"},
    {"Example.org/x:V1", "Example.org", "x", "V1", "", "Example.org/x:V1", "Example.org+x:V1"},
    {"a/b_c/d__e/f--g/h.i", "docker.io", "a/b_c/d__e/f--g/h.i", "latest", "", "a/b_c/d__e/f--g/h.i",
     "a+b_c+d__e+f--g+h.i"},
    {"debian@" + kDigest, "docker.io", "library/debian", "", kDigest, "debian@" + kDigest,
     "debian@" + kDigest},
    {"debian:latest@" + kDigest, "docker.io", "library/debian", "latest", kDigest, "debian:latest@" + kDigest,
     "debian:latest@" + kDigest},
    {"docker.io/a.b/c", "docker.io", "a.b/c", "latest", "", "docker.io/a.b/c", "docker.io+a.b+c"},
};

}  // namespace

TEST_CASE("an image's name is read as docker reads it") {
  for (const auto& row : kValid) {
    CAPTURE(row.text);
    const auto name = ImageName::parse(row.text);
    CHECK(name.registry == row.registry);
    CHECK(name.repository == row.repository);
    CHECK(name.tag == row.tag);
    CHECK(name.digest == row.digest);
    CHECK(name.directory() == row.directory);
  }
}

TEST_CASE("the familiar and the full form of a name both mean the same image") {
  for (const auto& row : kValid) {
    CAPTURE(row.text);
    const auto name = ImageName::parse(row.text);
    CHECK(name.familiar() == row.familiar);
    CHECK(ImageName::parse(name.familiar()) == name);
    CHECK(ImageName::parse(name.canonical()) == name);
  }
}

TEST_CASE("two images never share a folder") {
  for (const auto& a : kValid) {
    for (const auto& b : kValid) {
      const auto first = ImageName::parse(a.text);
      const auto second = ImageName::parse(b.text);
      CAPTURE(a.text, b.text);
      CHECK((first == second) == (first.directory() == second.directory()));
    }
  }
}

TEST_CASE("what is no image name is refused, and the message shows it") {
  const std::string invalid[] = {
      "",
      "Debian",
      "a b",
      "-a",
      "a/",
      "/a",
      "a//b",
      "../etc",
      "a/../b",
      "a+b",
      "a:",
      "a:b:c",
      "a:-x",
      "a:.x",
      "a@",
      "a@sha256:12",
      "a@md5:" + std::string(64, 'a'),
      "a@sha256:" + std::string(64, 'A'),
      "host:port/x",
      "ho_st:1/x",
      "a___b",
      "a..b",
      "a.-b",
      "x:" + std::string(129, 'a'),
      std::string(300, 'a'),
      "a\nb",
      "a:b\n",
      ".x/y",
      "x.:5000/y",
      "a..b:1/c",
  };
  for (const auto& text : invalid) {
    CAPTURE(text);
    const auto error = error_of([&] { ImageName::parse(text); });
    CHECK(contains(error, "invalid image name \"" + text + "\""));
  }
}
