#include "common/image/fetch.hpp"

#include <algorithm>

#include "common/image/interrupt.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kAtOnce = 3;

}  // namespace

Fetch::Fetch(Registry& registry, std::vector<Descriptor> blobs, Store& store, Progress* progress)
    : registry_(registry),
      blobs_(std::move(blobs)),
      store_(store),
      progress_(progress),
      there_(blobs_.size()) {
  store_.prepare();
  for (std::size_t i = 0; i < std::min(kAtOnce, blobs_.size()); ++i)
    threads_.emplace_back([this] { work(); });
}

Fetch::~Fetch() {
  end(is_interrupted());
}

bool Fetch::end(bool keep_parts) {
  const std::lock_guard guard(mutex_);
  if (ended_) return false;
  keep_parts_ = keep_parts;  // before the threads see that they are to end
  return ended_ = true;
}

void Fetch::wait_for(std::size_t number) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return there_[number] || failure_; });
  if (failure_) std::rethrow_exception(failure_);
}

void Fetch::wait_for_all() {
  for (std::size_t i = 0; i < blobs_.size(); ++i) wait_for(i);
}

void Fetch::work() {
  try {
    HttpClient http(&ended_);
    for (std::size_t i = next_++; i < blobs_.size() && !ended_; i = next_++) fetch(http, i);
  } catch (const Resumable&) {
    fail(true);
  } catch (const Interrupted&) {
    fail(true);
  } catch (...) {  // a full disk, a wrong size
    fail(false);
  }
}

void Fetch::fail(bool keep_parts) {
  if (!end(keep_parts)) return;  // the first one is the reason; the others were ended because of it
  const std::lock_guard guard(mutex_);
  failure_ = std::current_exception();
  changed_.notify_all();
}

void Fetch::fetch(HttpClient& http, std::size_t number) {
  try {
    try_fetch(http, number);
  } catch (const WrongBlob& error) {
    if (!error.resumed) throw;
    try_fetch(http, number);  // what an earlier attempt had kept was wrong: now from the beginning
  }
}

void Fetch::try_fetch(HttpClient& http, std::size_t number) {
  const Descriptor& blob = blobs_[number];
  const auto begin = [&](const std::string& what, std::uint64_t bytes) {
    if (progress_) progress_->begin(number, what, bytes);
  };
  const LockWait wait{[&](const std::string& holder) { begin("waiting for " + holder, 0); }, &ended_};
  if (BlobWriter::is_begun(store_, blob)) begin("verifying", 0);
  BlobWriter writer(store_, blob, wait);
  if (writer.is_complete()) return arrived(number, "already there");
  begin("fetching", writer.offset());
  writer.keep();
  try {
    registry_.fetch(http, blob, writer, [&](std::uint64_t bytes) {
      if (progress_) progress_->update(number, bytes);
    });
  } catch (const Resumable&) {
    if (!keep_parts_) writer.discard();
    throw;
  } catch (const Interrupted&) {
    throw;
  } catch (...) {
    writer.discard();
    throw;
  }
  writer.commit();
  arrived(number, "fetched");
}

void Fetch::arrived(std::size_t number, const std::string& how) {
  if (progress_) progress_->arrived(number, how);
  const std::lock_guard guard(mutex_);
  there_[number] = true;
  changed_.notify_all();
}

}  // namespace workshop
