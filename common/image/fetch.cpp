#include "common/image/fetch.hpp"

#include <thread>

#include "common/image/interrupt.hpp"
#include "common/image/progress.hpp"
#include "common/image/say.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kAtOnce = 3;

/// The work of several threads: each takes the next blob until none is left or one has failed.
class Fetching {
 public:
  Fetching(Registry& registry, const std::vector<Descriptor>& blobs, Store& store, Progress* progress)
      : registry_(registry), blobs_(blobs), store_(store), progress_(progress) {
    for (std::size_t i = 0; progress_ && i < blobs_.size(); ++i) {
      progress_->add(
          fmt::format("layer {}/{} {}", i + 1, blobs_.size(), blobs_[i].digest.hex().substr(0, 12)),
          blobs_[i].size);
    }
  }

  void run() {
    {
      std::vector<std::jthread> threads;
      for (std::size_t i = 1; i < std::min(kAtOnce, blobs_.size()); ++i)
        threads.emplace_back([this] { work(); });
      work();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void work() {
    try {
      HttpClient http(&failed_);
      for (std::size_t i = next_++; i < blobs_.size() && !failed_; i = next_++) fetch(http, i);
    } catch (...) {
      // The first one is the reason; the others were ended because of it.
      if (!failed_.exchange(true)) failure_ = std::current_exception();
    }
  }

  void fetch(HttpClient& http, std::size_t number) {
    try {
      try_fetch(http, number);
    } catch (const WrongBlob& error) {
      if (!error.resumed) throw;
      try_fetch(http, number);  // what an earlier attempt had kept was wrong: now from the beginning
    }
  }

  void try_fetch(HttpClient& http, std::size_t number) {
    const Descriptor& blob = blobs_[number];
    BlobWriter writer(store_, blob);
    if (writer.is_complete()) return finish(number, "already there");
    writer.keep();
    try {
      registry_.fetch(http, blob, writer, [&](std::uint64_t bytes) {
        if (progress_) progress_->update(number, bytes);
      });
    } catch (const Resumable&) {
      if (!cancelled_for_good_) throw;
      writer.discard();
      throw;
    } catch (const Interrupted&) {
      throw;
    } catch (...) {  // a full disk, a wrong size
      cancelled_for_good_ = true;
      writer.discard();
      throw;
    }
    writer.commit();
    finish(number, "fetched");
  }

  void finish(std::size_t number, const std::string& outcome) {
    if (progress_) progress_->finish(number, outcome);
  }

  Registry& registry_;
  const std::vector<Descriptor>& blobs_;
  Store& store_;
  Progress* progress_;
  std::atomic<std::size_t> next_ = 0;
  std::atomic<bool> failed_ = false;
  std::atomic<bool> cancelled_for_good_ = false;  // nothing is kept for another attempt
  std::exception_ptr failure_;
};

}  // namespace

void fetch_blobs(Registry& registry, const std::vector<Descriptor>& blobs, Store& store, bool show) {
  std::optional<Progress> progress;
  if (show) progress.emplace();
  Fetching(registry, blobs, store, progress ? &*progress : nullptr).run();
}

}  // namespace workshop
