#include "common/image/unpacking.hpp"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "common/image/inflate.hpp"

namespace workshop {
namespace {

constexpr std::size_t kBlockSize =
    256 << 10;  // what stays in a processor's own cache from one thread to the next
constexpr int kBlocks = 8;

struct Block {
  std::vector<std::byte> bytes = std::vector<std::byte>(kBlockSize);
  std::size_t size = 0;

  std::span<const std::byte> content() const { return std::span(bytes).first(size); }
};

/// Hands blocks from one thread to another. As many as there are blocks: their number bounds it.
class Channel {
 public:
  void push(Block block) {
    const std::lock_guard lock(mutex_);
    blocks_.push_back(std::move(block));
    changed_.notify_one();
  }

  /// Waits for a block. None once the channel is closed; if it was closed for an error, throws that.
  std::optional<Block> pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return closed_ || !blocks_.empty(); });
    if (blocks_.empty() && error_) std::rethrow_exception(error_);
    if (blocks_.empty()) return std::nullopt;
    Block block = std::move(blocks_.front());
    blocks_.pop_front();
    return block;
  }

  /// Nothing more will come; what is still inside can be taken out.
  void close(std::exception_ptr error = nullptr) {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    error_ = std::move(error);
    changed_.notify_one();
  }

  /// Nothing more is wanted.
  void abandon() {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    blocks_.clear();
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> blocks_;
  bool closed_ = false;
  std::exception_ptr error_;
};

/// Runs a thread's work. `output` is closed when it ends, and for the exception if it ends with one.
template <class Work>
std::thread start(Channel& output, Work work) {
  return std::thread([&output, work = std::move(work)]() mutable {
    try {
      work();
      output.close();
    } catch (...) {
      output.close(std::current_exception());
    }
  });
}

void fill(Block& block, const ByteSource& source) {
  block.size = 0;
  while (block.size < kBlockSize) {
    const std::size_t count = source(std::span(block.bytes).subspan(block.size));
    if (count == 0) break;
    block.size += count;
  }
}

}  // namespace

// free → (inflate) → inflated → (hash) → hashed → next() → free; without a hash, next() takes what is
// inflated.
struct Unpacking::State {
  Channel free, inflated, hashed;
  Channel* ready = &inflated;
  std::optional<Block> current;
  std::optional<Digest> digest;
  std::thread inflater, hasher;

  ~State() {
    free.abandon();
    if (inflater.joinable()) inflater.join();
    inflated.abandon();
    if (hasher.joinable()) hasher.join();
  }

  void inflate_all(const ByteSource& unpacked) {
    while (auto block = free.pop()) {
      fill(*block, unpacked);
      if (block->size == 0) return;
      inflated.push(std::move(*block));
    }
  }

  void hash_all() {
    Hasher sha256;
    while (auto block = inflated.pop()) {
      sha256.update(block->content());
      hashed.push(std::move(*block));
    }
    digest = sha256.finish();
  }
};

Unpacking::Unpacking(const ByteSource& compressed, Hash hash) : state_(std::make_unique<State>()) {
  State& state = *state_;
  for (int i = 0; i < kBlocks; ++i) state.free.push(Block());
  if (hash == Hash::yes) {
    state.ready = &state.hashed;
    state.hasher = start(state.hashed, [&state] { state.hash_all(); });
  }
  state.inflater =
      start(state.inflated, [&state, unpacked = inflate(compressed)] { state.inflate_all(unpacked); });
}

Unpacking::~Unpacking() = default;

std::span<const std::byte> Unpacking::next() {
  if (state_->current) state_->free.push(std::move(*state_->current));
  state_->current = state_->ready->pop();
  return state_->current ? state_->current->content() : std::span<const std::byte>();
}

const Digest& Unpacking::digest() const {
  return state_->digest.value();
}

}  // namespace workshop
