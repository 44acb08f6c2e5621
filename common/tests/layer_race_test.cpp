// Archives with an accomplice: another process that moves things about in the destination while a layer is
// applied, and one that mounts something there.

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <thread>

#include "common/image/layer.hpp"
#include "common/sys/error.hpp"
#include "common/sys/tree.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/archive.hpp"
#include "common/tests/layer_scene.hpp"

namespace workshop::testing {
namespace {

/// Has another thread do something all the time.
class Accomplice {
 public:
  explicit Accomplice(const std::function<bool()>& deed)
      : thread_([this, deed] {
          while (!done_) has_succeeded_ = deed() || has_succeeded_;
        }) {}
  ~Accomplice() {
    done_ = true;
    thread_.join();
  }
  Accomplice(const Accomplice&) = delete;
  Accomplice& operator=(const Accomplice&) = delete;

  bool has_succeeded() const { return has_succeeded_; }

 private:
  std::atomic<bool> done_ = false;
  std::atomic<bool> has_succeeded_ = false;
  std::thread thread_;
};

// What it does in the folder p of the destination.

bool exchange(const std::string& folder, const std::string& one, const std::string& other) {
  return ::renameat2(AT_FDCWD, (folder + "/" + one).c_str(), AT_FDCWD, (folder + "/" + other).c_str(),
                     RENAME_EXCHANGE) == 0;
}

/// Exchanges `name` and a fresh link to `target`.
bool exchange_for_link(const std::string& folder, const char* name, const char* target) {
  const unique_fd directory(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return false;
  error_of([&] { remove_tree(directory.get(), "decoy"); });
  return ::symlinkat(target, directory.get(), "decoy") == 0 && exchange(folder, name, "decoy");
}

/// Puts a second name of `target` in the place of `name`.
bool replace_by_hard_link(const std::string& folder, const char* name, const std::string& target) {
  const std::string decoy = folder + "/decoy";
  ::unlink(decoy.c_str());
  return ::link(target.c_str(), decoy.c_str()) == 0 &&
         ::rename(decoy.c_str(), (folder + "/" + name).c_str()) == 0;
}

Entry owned(Entry::Type type, const std::string& name, const std::string& text = "") {
  return {type, name, text, 0777, 4242, 4242};
}

std::vector<Entry> repeated(int count, const std::function<std::vector<Entry>(int)>& make) {
  std::vector<Entry> entries;
  for (int i = 0; i < count; ++i) {
    for (auto& entry : make(i)) entries.push_back(entry);
  }
  return entries;
}

struct Race {
  const char* sentence;
  int rounds;  // enough for the accomplice to be in time now and then; what is disturbed may give up soon
  std::function<bool(const std::string& folder, const std::string& outside)> deed;
  std::vector<Entry> entries;  // below p
};

const Race kRaces[] = {
    {"a directory that is looked up, for a link", 10,
     [](auto& folder, auto&) { return exchange(folder, "d", "l"); },
     // More directories than stay open: they must be looked up again.
     repeated(140,
              [](int i) -> std::vector<Entry> {
                return {owned(Entry::file, fmt::format("p/d/s{}/new", i)), owned(Entry::file, "p/d/new"),
                        owned(Entry::file, "p/d/.wh.secret")};
              })},
    {"a directory that is made, for a link before it has its owner", 5,
     [](auto& folder, auto&) { return exchange_for_link(folder, "n", "../../outside/d"); },
     repeated(200, [](int) -> std::vector<Entry> { return {owned(Entry::directory, "p/n")}; })},
    {"a directory that is removed, for a link", 300,
     [](auto& folder, auto&) { return exchange_for_link(folder, "n", "../../outside/d"); },
     repeated(
         3,
         [](int) -> std::vector<Entry> {
           return {owned(Entry::directory, "p/n"), owned(Entry::file, "p/n/file"), owned(Entry::file, "p/n")};
         })},
    {"a place for a file, for a file outside", 60,
     [](auto& folder, auto& outside) { return replace_by_hard_link(folder, "n", outside + "/secret"); },
     repeated(200, [](int) -> std::vector<Entry> { return {owned(Entry::file, "p/n", "attack")}; })},
    {"a place for a file, for a link to outside", 5,
     [](auto& folder, auto&) { return exchange_for_link(folder, "n", "../../outside/secret"); },
     repeated(200, [](int) -> std::vector<Entry> { return {owned(Entry::file, "p/n", "attack")}; })},
    {"a fifo, for one outside before it has its owner", 60,
     [](auto& folder, auto& outside) { return replace_by_hard_link(folder, "n", outside + "/fifo"); },
     repeated(200, [](int) -> std::vector<Entry> { return {owned(Entry::fifo, "p/n")}; })},
};

void bind_mount(const std::string& source, const std::string& target) {
  check(::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr), "mount(\"{}\", \"{}\")", source,
        target);
}

}  // namespace

TEST_CASE("no archive reaches outside while another process exchanges") {
  for (const auto& race : kRaces) {
    DYNAMIC_SECTION(race.sentence) {
      const Scene scene;
      scene.scratch.shell("mkfifo outside/fifo");
      const Snapshot before = snapshot(scene.outside);
      const std::string lower = make_layer({owned(Entry::directory, "p/d"),
                                            {Entry::link, "p/l", "../../outside"},
                                            race.entries.front()}),
                        upper = make_layer(race.entries);
      for (int round = 0; round < race.rounds; ++round) {
        const std::string destination = scene.scratch.directory("round");
        {
          Extraction extraction(destination);
          extraction.apply(source_of(lower));
          const Accomplice accomplice([&] { return race.deed(destination + "/p", scene.outside); });
          while (!accomplice.has_succeeded()) std::this_thread::yield();
          error_of([&] { extraction.apply(source_of(upper)); });  // it may well fail
        }
        remove_tree(destination);  // and with it second names of what is outside
      }
      CHECK(difference(before, snapshot(scene.outside)) == "");
    }
  }
}

TEST_CASE("what is mounted in the destination meanwhile is not the image's") {
  if (::geteuid() != 0) WORKSHOP_SKIP("only root may mount: run the tests as root");
  const struct {
    const char* sentence;
    Entry entry;
  } rows[] = {
      {"a file in it", {Entry::file, "m/new", "attack"}},
      {"a whiteout in it", {Entry::file, "m/.wh.secret"}},
      {"an opaque whiteout in it", {Entry::file, "m/.wh..wh..opq"}},
      {"a hard link to a file in it", {Entry::hard_link, "h", "m/secret"}},
      {"a directory of its name", {Entry::directory, "m", "", 0777, 4242, 4242}},
      {"a file of its name", {Entry::file, "m", "attack"}},
      {"a whiteout of its name", {Entry::file, ".wh.m"}},
      {"an opaque whiteout of the root", {Entry::file, ".wh..wh..opq"}},
  };
  for (const auto& row : rows) {
    DYNAMIC_SECTION(row.sentence) {
      const Scene scene;
      // At the end a directory is replaced: what was open is to be looked up again.
      const std::string lower =
          make_layer({{Entry::directory, "m"}, {Entry::directory, "z"}, {Entry::file, "z"}});
      const std::string upper = make_layer({row.entry});
      const std::string error = in_child([&] {
        check(::unshare(CLONE_NEWNS), "unshare(CLONE_NEWNS)");
        check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(MS_PRIVATE)");
        Extraction extraction(scene.destination);
        extraction.apply(source_of(lower));
        bind_mount(scene.outside, scene.destination + "/m");
        return error_of([&] { extraction.apply(source_of(upper)); });
      });
      CHECK(scene.harm() == "");
      INFO("the message is: " << error);
      CHECK(contains(error, "m\""));
    }
  }
}

}  // namespace workshop::testing
