// What files have beside their contents: owners, modes, times, attributes, names in odd encodings.

#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/sys/error.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/layer_fixture.hpp"
#include "common/tests/scratch.hpp"

namespace workshop::testing {

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
      mknod tree/null c 1 3; mknod tree/disk b 7 200; mknod tree/large b 259 70000
    fi
    chmod 4755 tree/d/file
    touch -h -d '2001-02-03 04:05:06.123456789Z' tree/d/e tree/longlink
    touch -d '1969-12-31T23:59:58.75Z' tree/empty
    touch -d '1901-12-14T00:00:00Z' tree/fifo
    touch -d '2150-01-01T00:00:00.5Z' tree/d/file tree/d
    chmod 0555 tree/readonly
  )sh");
  if (::geteuid() == 0) {
    for (const char* name : {"tree/d/file", "tree/d/e", "tree/longlink", "tree/fifo"})
      check(::lsetxattr((scratch / name).c_str(), "trusted.of", name, 5, 0), "lsetxattr(\"{}\")", name);
  }
  for (const std::string format :
       {"pax", "gnu", "oldgnu", "posix --sparse", "posix --sparse --sparse-version=0.0",
        "posix --sparse --sparse-version=0.1", "gnu --sparse", "posix --xattrs --xattrs-include=*"}) {
    DYNAMIC_SECTION(format) {
      scratch.shell("tar --numeric-owner --format=" + format + " -cf layer.tar -C tree .");
      scratch.shell(
          "mkdir theirs && tar --numeric-owner --xattrs '--xattrs-include=*' -xpf layer.tar -C theirs");
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
  const auto notices = extract({make_layer({entry})}, scratch.path());
  const std::string line = snapshot(scratch.path())["ping"];
  INFO(line);
  CHECK(line.find("104755 1000:1000") == 0);
  CHECK(contains(line, "security.capability=0100000200040000"));
  CHECK(contains(line, "trusted.kept=76616c7565"));
  CHECK_FALSE(contains(line, "overlay"));
  CHECK_FALSE(contains(line, "selinux"));
  CHECK(notices.xattrs_left_out == 0);
}

TEST_CASE("a directory of both layers has the upper one's attributes, and no others") {
  if (::geteuid() != 0) WORKSHOP_SKIP("only root may set trusted attributes: run the tests as root");
  const Scratch scratch;
  const auto with = [](Entry entry, const std::map<std::string, std::string>& attributes) {
    entry.attributes = attributes;
    return entry;
  };
  const std::vector<std::string> layers = {
      make_layer({with(directory("d"), {{"trusted.changed", "1"}, {"trusted.gone", "1"}}),
                  with(directory("e"), {{"trusted.stays", "1"}})}),
      make_layer({with(directory("d"), {{"trusted.changed", "2"}, {"trusted.new", "2"}}), file("e/f", "")})};
  extract(layers, scratch.path());
  Snapshot tree = snapshot(scratch.path());
  CHECK(contains(tree["d"], " trusted.changed=32 trusted.new=32 []"));
  CHECK(contains(tree["e"], " trusted.stays=31 []"));
}

TEST_CASE("a hard link is one file with its target, whatever its own header says") {
  const Scratch scratch;
  const auto me = static_cast<std::int64_t>(::geteuid()), us = static_cast<std::int64_t>(::getegid());
  const Entry target{Entry::file, "a", "1", 0640, me, us, 1'111'111'111, 5};
  const auto named = [](const char* name) {
    return Entry{Entry::hard_link, name, "a", 06777, 4242, 4242, 77, 7, {{"user.x", "y"}}};
  };
  extract({make_layer({target, named("b")}), make_layer({named("c")})}, scratch.path());
  Snapshot tree = snapshot(scratch.path());
  CHECK(tree["a"] ==
        fmt::format("100640 {}:{} 1111111111.000000005 1 bytes, 3 names [1] the same as a", me, us));
  CHECK(tree["b"] == tree["a"]);
  CHECK(tree["c"] == tree["a"]);
}

TEST_CASE(
    "directories that no entry describes are root's, or ours, and open to all; others stay as they are") {
  const Scratch scratch;
  const mode_t before = ::umask(0077);
  const Entry lower{Entry::directory, "lower", "", 0710, ::geteuid(), ::getegid(), 1'111'111'111, 5};
  const std::string error = error_of([&] {
    extract({make_layer({lower}), make_layer({file("made/by/name", ""), file("lower/f", "")})},
            scratch.path());
  });
  ::umask(before);
  REQUIRE(error == "");
  Snapshot tree = snapshot(scratch.path());
  const std::string owner = fmt::format(" {}:{} ", ::geteuid(), ::getegid());
  for (const char* name : {"made", "made/by"}) {
    INFO(name);
    CHECK(tree[name].starts_with("040755" + owner));
  }
  CHECK(tree["made/by/name"].starts_with("100644"));
  CHECK(tree["lower"] == "040710" + owner + "1111111111.000000005 []");
}

TEST_CASE("who may not give files away keeps them, without set-user-ID bits, and is told so") {
  const std::vector<Entry> entries = {
      {Entry::file, "theirs", "x", 06755, 4242, 4343, 0, 0, {{"trusted.x", "y"}}},
      {Entry::file, "too_large", "x", 04755, 5'000'000'000, 0},
      {Entry::directory, "d", "", 0755, 4242, 4343},
      {Entry::character_device, "null", "", 0666},
      {Entry::character_device, "d/null", "", 0666}};
  const std::string layer = make_layer(entries, "pax");
  const auto extract_and_tell = [&](const std::string& path) {
    const auto notices = extract({layer}, path);
    std::string names;
    for (const auto& [name, line] : snapshot(path)) names += name + " " + line.substr(0, 6) + "; ";
    return fmt::format("owners {}, devices {}, attributes {}: {}", notices.owners_left_out,
                       notices.devices_left_out, notices.xattrs_left_out, names);
  };
  const std::string expected =
      "owners true, devices 2, attributes 2: . 040755; d 040755; theirs 100755; too_large 100755; ";
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

}  // namespace workshop::testing
