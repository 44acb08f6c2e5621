#pragma once

#include <condition_variable>
#include <exception>
#include <thread>

#include "common/image/progress.hpp"
#include "common/image/registry.hpp"

namespace workshop {

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

 private:
  void work();
  bool end(bool keep_parts);
  void fail(bool keep_parts);
  void fetch(HttpClient& http, std::size_t number);
  void try_fetch(HttpClient& http, std::size_t number);
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
  std::vector<bool> there_;
  std::exception_ptr failure_;

  std::vector<std::jthread> threads_;  // last: they use the rest
};

}  // namespace workshop
