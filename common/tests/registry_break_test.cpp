// `image pull` where connections break, programs are killed, and everybody wants the same at once.

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <filesystem>
#include <mutex>
#include <random>
#include <set>

#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/registry_server.hpp"
#include "common/tests/sample_image.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;
namespace fs = std::filesystem;

namespace {

/// Passes connections on to a server, and resets each when a number of bytes drawn at random has come back.
class BreakingProxy {
 public:
  BreakingProxy(int target, std::size_t least, std::size_t most)
      : target_(target), lengths_(least, most), server_([this](int socket) { serve(socket); }) {}

  std::string address() const { return "127.0.0.1:" + std::to_string(server_.port()); }
  int broken() const { return broken_; }

 private:
  void serve(int client) {
    const auto upstream = connect_to(target_);
    std::size_t left = draw();
    pollfd both[] = {{client, POLLIN, 0}, {upstream.get(), POLLIN, 0}};
    while (::poll(both, 2, -1) > 0) {
      if (both[0].revents && pass(client, upstream.get(), kAll) == 0) return;
      if (!both[1].revents) continue;
      const std::size_t count = pass(upstream.get(), client, left);
      if (count == 0) return;
      left -= count;
      if (left > 0) continue;
      ++broken_;
      return reset_when_closed(client);
    }
  }

  /// Passes on what has come, at most `most` bytes; returns how many, 0 at the end.
  static std::size_t pass(int from, int to, std::size_t most) {
    char buffer[16 << 10];
    const ssize_t count = ::recv(from, buffer, std::min(sizeof buffer, most), 0);
    if (count <= 0 || !send_all(to, buffer, static_cast<std::size_t>(count))) return 0;
    return static_cast<std::size_t>(count);
  }

  std::size_t draw() {
    const std::lock_guard guard(mutex_);
    return lengths_(random_);
  }

  const int target_;
  std::mutex mutex_;  // of the next two
  std::mt19937 random_{1};
  std::uniform_int_distribution<std::size_t> lengths_;
  std::atomic<int> broken_ = 0;
  TcpServer server_;  // last: its threads use the rest
};

/// Bytes of the image's blobs that a store has, complete or in part.
std::uint64_t kept(const SampleImage& image, const std::string& store) {
  std::uint64_t bytes = 0;
  for (const auto& [path, content] : image.content()) {
    if (!contains(path, "/blobs/")) continue;
    const std::string hex = path.substr(path.rfind(':') + 1);
    for (const auto& file : {store + "/blobs/sha256/" + hex, store + "/partial/" + hex}) {
      if (!fs::exists(file)) continue;
      bytes += fs::file_size(file);
      break;
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("from a real registry over a line that keeps breaking, a pull goes on where it was") {
  if (const auto why = no_registry_because(); !why.empty()) WORKSHOP_SKIP(why);
  const Scratch scratch;
  const RegistryServer registry;
  WORKSHOP_RUN(scratch,
               "mkdir root && head -c 6000000 /dev/urandom >root/noise && tar -cf root.tar -C root . && "
               "image import big root.tar --store source");
  registry.push(scratch, "oci:source:big", "big");
  const int port = std::stoi(registry.address().substr(registry.address().find(':') + 1));
  // A connection lives for a tenth of the image at most: without Range nobody would get it.
  const BreakingProxy proxy(port, 100'000, 600'000);
  WORKSHOP_RUN(scratch, "WORKSHOP_PATIENCE=0.01 image pull -q " + proxy.address() +
                            "/big && image verify && cmp root/noise store/images/*big/rootfs/noise");
  CHECK(proxy.broken() >= 10);
}

TEST_CASE("a pull may be killed at any moment: the store is sound, and what it had is not fetched again") {
  const SampleImage image = SampleImage::of({1, 2, 3, 4, 5}, 100'000);
  // Slow enough that there are moments to be killed in.
  const auto slowly = [](const Request& request, Reply good) {
    if (contains(request.path, "/blobs/")) good.piece = 25'000, good.drip = std::chrono::milliseconds(2);
    return good;
  };
  FaultyRegistry server(image.content());
  const Scratch scratch;
  const std::string pull = "image pull -q " + server.address() + "/image";
  server.become(image.content(), slowly);
  const auto begin = std::chrono::steady_clock::now();
  WORKSHOP_RUN(scratch, pull);
  const std::chrono::duration<double> whole = std::chrono::steady_clock::now() - begin;
  REQUIRE(server.blob_bytes() == image.size());
  std::mt19937 random(1);
  std::set<std::uint64_t> stages;
  for (int i = 0; i < 100; ++i) {
    const double moment = std::uniform_real_distribution(0.0, whole.count())(random);
    INFO(fmt::format("pull {} was killed after {:.0f} of {:.0f} ms", i, moment * 1000, whole.count() * 1000));
    WORKSHOP_RUN(scratch,
                 fmt::format("rm -rf store; {} & sleep {:.4f}; kill -9 $!; wait $!; "
                             "image verify && test -z \"$(image list -q)\" -o -d store/images/*image/rootfs",
                             pull, moment));
    const std::uint64_t had = kept(image, scratch / "store");
    stages.insert(had);
    server.become(image.content());
    WORKSHOP_RUN(scratch, pull + " && test -s store/images/*image/rootfs/file5");
    CHECK(server.blob_bytes() == image.size() - had);
    server.become(image.content(), slowly);
  }
  INFO("the pulls were killed at so many different amounts: " << stages.size());
  CHECK(stages.size() >= 10);  // the control: they were not all killed before or after
}

TEST_CASE("a layer is unpacked while it is on its way") {
  const SampleImage image = SampleImage::of({1, 2});
  const std::string upper = digest_text(image.layers[1]);
  FaultyRegistry server(image.content());
  server.become(image.content(), [&](const Request& request, Reply good) {
    if (contains(request.path, upper)) good.stall_after = 280'000;
    return good;
  });
  const Scratch scratch;
  const std::string pull = "image pull -q " + server.address() + "/image";
  const std::string part = "store/partial/" + upper.substr(7);
  // Interrupted then, it leaves what is worth keeping, and nothing else.
  const auto outcome =
      run(scratch, "export WORKSHOP_PATIENCE=10; " + pull +
                       " & pid=$!\n"
                       "until test -s store/images/.*/rootfs/file2 -a \"$(stat -c %s " +
                       part +
                       ")\" = 280000; do "
                       "kill -0 $pid || exit 1; done 2>/dev/null\n"
                       "kill -TERM $pid; wait $pid; echo $?; ls -A store/images; stat -c %s " +
                       part);
  INFO(outcome);
  CHECK(outcome.out == "143\n280000\n");
  server.become(image.content());
  WORKSHOP_RUN(scratch, pull + " && image verify && test -s store/images/*image/rootfs/file2");
  CHECK(server.blob_bytes() == image.layers[1].size() - 280'000);
}

TEST_CASE("when a layer cannot be unpacked, those on their way are not waited for, and not kept") {
  const SampleImage image = SampleImage::of({1, 2});
  FaultyRegistry server(image.content());
  server.become(image.content(), [&](const Request& request, Reply good) {
    if (contains(request.path, digest_text(image.layers[1]))) good.stall_after = 100'000;
    return good;
  });
  const Scratch scratch;
  const std::string pull = "WORKSHOP_PATIENCE=100 image pull -q " + server.address() + "/image";
  WORKSHOP_REFUSED(scratch, pull + " --max-size 100K", "unpacks to more than");
  WORKSHOP_RUN(scratch, "test -z \"$(ls -A store/images store/partial store/blobs/sha256 | grep -v :)\"");
}

TEST_CASE("ten pulls of overlapping images at once fetch each blob once, and all complete") {
  const std::vector<std::vector<int>> images = {{1, 2, 3}, {2, 3, 4}, {3, 4, 5}, {5, 1, 2}, {4, 2, 1}};
  FaultyRegistry::Content content;
  for (std::size_t i = 0; i < images.size(); ++i)
    content.merge(SampleImage::of(images[i]).content(fmt::format("i{}", i)));
  FaultyRegistry server(content);
  server.become(content, [](const Request&, Reply good) {
    good.piece = 50'000, good.drip = std::chrono::milliseconds(5);  // so that they do meet
    return good;
  });
  const Scratch scratch;
  WORKSHOP_RUN(scratch,
               "pids=; for n in 0 1 2 3 4 0 1 2 3 4; do image pull -q " + server.address() +
                   "/i$n & pids=\"$pids $!\"; done; for p in $pids; do wait $p || exit 1; done; "
                   "image verify && test \"$(image list -q | wc -l)\" = 5 -a -z \"$(ls store/partial)\"");
  std::map<std::string, int> fetched;
  for (const auto& request : server.requests()) {
    const auto blob = request.path.find("/blobs/");
    if (blob != std::string::npos) ++fetched[request.path.substr(blob)];
  }
  CHECK(fetched.size() == 10);  // five layers, five configurations
  for (const auto& [blob, times] : fetched) {
    INFO(blob);
    CHECK(times == 1);
  }
}
