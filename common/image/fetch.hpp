#pragma once

#include <condition_variable>
#include <exception>
#include <thread>

#include "common/image/progress.hpp"
#include "common/image/registry.hpp"

namespace workshop {

/// What was read of a blob on its way is void: it had to be fetched from its beginning again.
struct Restarted : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Blobs on their way from a registry into a store, three at a time, in threads of their own. Those that the
/// store has are not fetched.
class Fetch {
 public:
  /// With `progress`, the lines of that number are about the blobs. All but the blobs must outlive it.
  Fetch(Registry& registry, std::vector<Descriptor> blobs, Store& store, Progress* progress = nullptr);

  /// Ends what is still under way. Parts of blobs stay for the next attempt if the user or the network ended
  /// it, and do not if somebody else did, who does not want the rest.
  ~Fetch();
  Fetch(const Fetch&) = delete;
  Fetch& operator=(const Fetch&) = delete;

  /// Waits until the blob of that number is in the store. Throws what made one fail: Resumable, Interrupted,
  /// WrongBlob, ...
  void wait_for(std::size_t number);
  void wait_for_all();

  bool is_there(std::size_t number);

  /// The bytes of a blob as they come. Nothing is known of them before the end, which is told when the blob
  /// is verified and in the store. Throws as wait_for(), and Restarted.
  ByteSource open(std::size_t number);

 private:
  /// How far a blob is, and how often it had to begin anew.
  struct State {
    std::uint64_t bytes = 0;
    int restarts = 0;
    bool there = false;
  };
  class Follower;

  void work();
  bool end(bool keep_parts);
  void fail(bool keep_parts);
  void fetch(HttpClient& http, std::size_t number);
  void try_fetch(HttpClient& http, std::size_t number);
  State wait_for_more(std::size_t number, const State& than);
  void came(std::size_t number, std::uint64_t bytes);
  void arrived(std::size_t number, const std::string& how);

  Registry& registry_;
  const std::vector<Descriptor> blobs_;
  Store& store_;
  Progress* const progress_;

  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> ended_ = false;
  std::atomic<bool> keep_parts_ = true;  // what was not fetched to its end, for another attempt

  std::mutex mutex_;  // of the next three
  std::condition_variable changed_;
  std::vector<State> states_;
  std::exception_ptr failure_;

  std::vector<std::jthread> threads_;  // last: they use the rest
};

}  // namespace workshop
