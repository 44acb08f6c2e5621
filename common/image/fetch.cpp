#include "common/image/fetch.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "common/image/interrupt.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kAtOnce = 3;
// Bytes. To wake the thread that reads more often costs more than it gains.
constexpr std::uint64_t kWorthReading = 256 << 10;

}  // namespace

/// Reads the file that a blob is being written to, behind the writer.
class Fetch::Follower {
 public:
  Follower(Fetch& fetch, std::size_t number) : fetch_(fetch), number_(number), blob_(fetch.blobs_[number]) {}

  std::size_t read(std::span<std::byte> buffer) {
    const State now = fetch_.wait_for_more(number_, read_);
    if (!file_) open(now);
    const std::uint64_t ready = now.there ? blob_.size : now.bytes;
    if (now.restarts != read_.restarts || ready < read_.bytes) throw_restarted();
    const auto most = std::min<std::uint64_t>(buffer.size(), ready - read_.bytes);
    if (most == 0) return 0;
    const auto count = check(::pread(file_.get(), buffer.data(), most, static_cast<off_t>(read_.bytes)),
                             "read(\"{}\")", fetch_.store_.blob_path(blob_.digest));
    if (count == 0) throw_restarted();  // it has just been emptied
    read_.bytes += static_cast<std::uint64_t>(count);
    return static_cast<std::size_t>(count);
  }

 private:
  /// It may get its place at any moment, and stays the same file then.
  void open(const State& now) {
    const std::string place = fetch_.store_.blob_path(blob_.digest);
    if (!now.there)
      file_.reset(::open(BlobWriter::path_of(fetch_.store_, blob_).c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_) file_.reset(::open(place.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_ && errno == ENOENT && !now.there) throw_restarted();  // it was wrong, and has been discarded
    check(file_.get(), "open(\"{}\")", place);
    read_.restarts = now.restarts;
  }

  [[noreturn]] void throw_restarted() const {
    throw Restarted(fmt::format("{} has to be fetched from its beginning again", blob_.digest.string()));
  }

  Fetch& fetch_;
  const std::size_t number_;
  const Descriptor& blob_;
  unique_fd file_;
  State read_;
};

Fetch::Fetch(Registry& registry, std::vector<Descriptor> blobs, Store& store, Progress* progress)
    : registry_(registry),
      blobs_(std::move(blobs)),
      store_(store),
      progress_(progress),
      states_(blobs_.size()) {
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
  changed_.wait(lock, [&] { return states_[number].there || failure_; });
  if (failure_) std::rethrow_exception(failure_);
}

Fetch::State Fetch::wait_for_more(std::size_t number, const State& than) {
  std::unique_lock lock(mutex_);
  const State& now = states_[number];
  changed_.wait(lock, [&] {
    const bool is_void = than.bytes > 0 && now.restarts != than.restarts;
    return now.there || now.bytes >= than.bytes + kWorthReading || is_void || failure_;
  });
  if (failure_) std::rethrow_exception(failure_);
  return now;
}

bool Fetch::is_there(std::size_t number) {
  const std::lock_guard guard(mutex_);
  return states_[number].there;
}

ByteSource Fetch::open(std::size_t number) {
  return [follower = std::make_shared<Follower>(*this, number)](std::span<std::byte> buffer) {
    return follower->read(buffer);
  };
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
  came(number, writer.offset());
  writer.keep();
  try {
    registry_.fetch(http, blob, writer, [&](std::uint64_t bytes) { came(number, bytes); });
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

void Fetch::came(std::size_t number, std::uint64_t bytes) {
  if (progress_) progress_->update(number, bytes);
  const std::lock_guard guard(mutex_);
  State& state = states_[number];
  const bool restarted = bytes < state.bytes;
  const bool worth_reading = bytes / kWorthReading != state.bytes / kWorthReading;
  if (restarted) ++state.restarts;
  state.bytes = bytes;
  if (restarted || worth_reading) changed_.notify_all();
}

void Fetch::arrived(std::size_t number, const std::string& how) {
  if (progress_) progress_->arrived(number, how);
  const std::lock_guard guard(mutex_);
  states_[number].there = true;
  changed_.notify_all();
}

}  // namespace workshop
