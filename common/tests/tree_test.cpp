#include "common/sys/tree.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/scratch.hpp"

namespace workshop::testing {
namespace {

namespace fs = std::filesystem;

bool is_there(const std::string& path) {
  return fs::exists(fs::symlink_status(path));
}

void bind_mount(const std::string& source, const std::string& target) {
  check(::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr), "mount(\"{}\", \"{}\")", source,
        target);
}

/// For a child: a mount namespace in which it may mount.
void be_able_to_mount() {
  if (::geteuid() != 0) return enter_user_namespace();
  check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(MS_PRIVATE)");
}

}  // namespace

TEST_CASE("remove_tree removes files, links, fifos and whole trees, and nothing beside them") {
  const char* const cases[] = {
      "echo x > victim",
      "ln -s ../outside victim",
      "ln -s nowhere victim",
      "mkfifo victim",
      "mkdir victim",
      "mkdir -p victim/a/b/c victim/d; echo x > victim/a/b/c/x; ln -s ../../outside victim/a/link; mkfifo "
      "victim/d/f",
      "mkdir -p victim/a; ln -s \"$PWD/outside\" victim/a/absolute; ln outside/file victim/a/hard",
      "mkdir -p 'victim/with spaces\tand\n newlines'/x; : > victim/..x; : > victim/...",
      "mkdir -p victim/many; cd victim/many; touch $(seq 3000); mkdir $(seq 4000 5000)",
      ":",  // it is not there
  };
  for (const auto* script : cases) {
    DYNAMIC_SECTION(script) {
      const Scratch scratch;
      scratch.shell("mkdir outside; echo kept > outside/file");
      scratch.shell(script);
      remove_tree(scratch / "victim");
      CHECK_FALSE(is_there(scratch / "victim"));
      CHECK(read_file(scratch / "outside/file") == "kept\n");
    }
  }
}

TEST_CASE("remove_tree takes a path with slashes at its end and none that names no entry") {
  const Scratch scratch;
  scratch.directory("a/b");
  remove_tree(scratch / "a/b//");
  CHECK_FALSE(is_there(scratch / "a/b"));
  remove_tree(scratch / "missing/b");
  for (const std::string& path :
       {std::string("/"), std::string(""), std::string("."), scratch / "a/..", scratch / "a/."}) {
    INFO(path);
    CHECK(contains(error_of([&] { remove_tree(path); }), "name the directory itself"));
  }
  CHECK(is_there(scratch / "a"));
}

TEST_CASE("remove_tree refuses mount points, names them and has removed nothing") {
  struct MountCase {
    const char* what;
    std::function<void(const std::string&)> mount;
    const char* named;
  };
  const MountCase cases[] = {
      {"a file system below",
       [](const std::string& path) {
         check(::mount("tmpfs", (path + "/d/m").c_str(), "tmpfs", 0, nullptr), "mount(tmpfs)");
       },
       "/d/m"},
      {"a bind mount of the same file system",
       [](const std::string& path) { bind_mount(path + "/../outside", path + "/d/m"); }, "/d/m"},
      {"a bind mount of a file",
       [](const std::string& path) { bind_mount(path + "/../outside/file", path + "/d/f"); }, "/d/f"},
      {"the directory itself", [](const std::string& path) { bind_mount(path + "/../outside", path); },
       "victim"},
      {"a name with spaces",
       [](const std::string& path) { bind_mount(path + "/../outside", path + "/d/a b"); }, "/d/a b"},
  };
  for (const auto& row : cases) {
    DYNAMIC_SECTION(row.what) {
      const Scratch scratch;
      scratch.shell(
          "mkdir -p victim/a victim/d/m 'victim/d/a b' victim/z outside; : > victim/a/x; : > victim/d/f; : > "
          "victim/z/y; echo kept > outside/file");
      const Snapshot before = snapshot(scratch.path());
      const std::string error = in_child([&] {
        be_able_to_mount();
        row.mount(scratch / "victim");
        return error_of([&] { remove_tree(scratch / "victim"); });
      });
      INFO("the message is: " << error);
      CHECK(contains(error, "is a mount point"));
      CHECK(contains(error, scratch / "victim"));
      CHECK(contains(error, row.named));
      CHECK(difference(before, snapshot(scratch.path())) == "");
      remove_tree(scratch / "victim");  // the control: without the mount it goes
      CHECK_FALSE(is_there(scratch / "victim"));
    }
  }
}

TEST_CASE("remove_tree does not enter what is mounted where the list of mounts cannot be read") {
  const Scratch scratch;
  scratch.shell("mkdir -p victim/d/m outside; echo kept > outside/file");
  const std::string error = in_child([&] {
    be_able_to_mount();
    bind_mount(scratch / "outside", scratch / "victim/d/m");
    check(::mount("tmpfs", "/proc", "tmpfs", 0, nullptr), "mount(\"/proc\")");
    return error_of([&] { remove_tree(scratch / "victim"); });
  });
  CHECK(contains(error, "is a mount point"));
  CHECK(read_file(scratch / "outside/file") == "kept\n");
}

TEST_CASE("an ordinary user's remove_tree opens up directories without permissions") {
  for (const char* mode : {"0000", "0100", "0200", "0400", "0500", "0600"}) {
    DYNAMIC_SECTION(mode) {
      const Scratch scratch;
      CHECK(in_child([&] {
              become_user(scratch.path());
              scratch.shell(
                  fmt::format("mkdir -p victim/a/b; : > victim/a/x; : > victim/a/b/y; chmod {0} victim/a/b; "
                              "chmod {0} victim/a; chmod {0} victim",
                              mode));
              remove_tree(scratch / "victim");
              return std::string(is_there(scratch / "victim") ? "still there" : "gone");
            }) == "gone");
    }
  }
}

TEST_CASE("remove_tree removes a tree deeper than any path can name") {
  const Scratch scratch;
  unique_fd directory(check(::open(scratch.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC), "open()"));
  for (int depth = 0; depth < 2500; ++depth) {
    check(::mkdirat(directory.get(), "d", 0700), "mkdirat()");
    directory.reset(check(::openat(directory.get(), "d", O_PATH | O_DIRECTORY | O_CLOEXEC), "openat()"));
  }
  remove_tree(scratch / "d");
  CHECK_FALSE(is_there(scratch / "d"));
}

TEST_CASE("remove_tree does not leave the tree when another process moves things about meanwhile") {
  const struct {
    const char* what;
    const char* file;    // when remove_tree comes to this file,
    const char* script;  // this happens
    const char* message;
  } cases[] = {
      {"a directory swapped for a link", "file", "mv victim/d moved; ln -s ../outside victim/d", "openat2"},
      {"a directory swapped for an absolute link", "file", "mv victim/d moved; ln -s $PWD/outside victim/d",
       "openat2"},
      {"a directory swapped for a file", "file", "mv victim/d moved; echo x > victim/d", "openat2"},
      {"the directory it is in moved elsewhere", "x", "mv victim/d/e outside/elsewhere", "was moved"},
  };
  for (const auto& row : cases) {
    DYNAMIC_SECTION(row.what) {
      const Scratch scratch;
      scratch.shell("mkdir -p victim/d/e outside/e; touch victim/file victim/d/e/x outside/d");
      const unique_fd parent(::open(scratch.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
      // Asked about a file, it plays the other process: the directories beside it have not been entered then.
      const auto other_process = [&](ino_t, const std::string& name) {
        if (name == row.file) scratch.shell(row.script);
        return false;
      };
      const std::string error = error_of([&] { remove_tree(parent.get(), "victim", other_process); });
      INFO("the message is: " << error);
      CHECK(contains(error, row.message));
      CHECK(is_there(scratch / "outside/e"));
      CHECK(is_there(scratch / "outside/d"));
    }
  }
}

TEST_CASE("remove_tree leaves what is to be kept, and the directories around it with their times") {
  const Scratch scratch;
  scratch.shell(
      "mkdir -p victim/a/b victim/c; touch victim/a/b/kept victim/a/b/x victim/a/y victim/c/z; touch -d "
      "@1000000000 victim/a/b victim/a victim");
  struct stat status {};
  REQUIRE(::stat((scratch / "victim/a/b").c_str(), &status) == 0);
  const unique_fd parent(::open(scratch.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  remove_tree(parent.get(), "victim",
              [&](ino_t in, const std::string& name) { return in == status.st_ino && name == "kept"; });
  std::string left;
  for (const auto& [name, line] : snapshot(scratch / "victim")) left += name + " ";
  CHECK(left == ". a a/b a/b/kept ");
  for (const char* name : {"victim", "victim/a", "victim/a/b"}) {
    REQUIRE(::stat((scratch / name).c_str(), &status) == 0);
    CHECK(status.st_mtim.tv_sec == 1'000'000'000);
  }
}

}  // namespace workshop::testing
