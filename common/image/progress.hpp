#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace workshop {

/// How the layers of an image come and are unpacked. On a terminal there is a line for each and one for all,
/// kept up to date in place: those that are done stay above, of the others there are as many as fit.
/// Elsewhere a line when a layer's turn comes, one when it is done, and one every ten seconds for what takes
/// long. All functions but the constructor may be called from any thread. While it lives, say() and it do not
/// get in each other's way.
class Progress {
 public:
  Progress();
  /// What is not done keeps the line it has.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Adds a layer of `total` bytes. They are counted from 0.
  void add(const std::string& name, std::uint64_t total);

  /// What happens to it now: "fetching", "unpacking"; `bytes` of it have been dealt with before.
  void begin(std::size_t layer, const std::string& what, std::uint64_t bytes);

  /// There are `bytes` now.
  void update(std::size_t layer, std::uint64_t bytes);

  /// All of it is here, and waits for its turn: "fetched", "already there".
  void arrived(std::size_t layer, const std::string& how);

  /// Nothing more happens to it: "done", or it stays as it arrived. Later calls for it are ignored.
  void finish(std::size_t layer, const std::string& outcome = "");

  /// A line between them, for say().
  void print(const std::string& message);

 private:
  using Clock = std::chrono::steady_clock;
  struct Layer {
    std::size_t number;
    std::string name;
    std::uint64_t total;
    std::string state = "waiting";
    Clock::time_point began{};  // the state, which has dealt with so many bytes, and with some of them before
    std::uint64_t bytes = 0;
    std::uint64_t first = 0;
    bool is_here = false;  // and so many bytes of it were fetched now
    std::uint64_t fetched = 0;
    bool is_finished = false;
    Clock::time_point told{};  // when there was a line about it
  };
  enum class Frame { live, last };
  void show(Layer& layer, bool worth_a_line);
  void erase();
  void draw(Frame frame);
  std::string label_of(const Layer& layer) const;
  std::string line_of(const Layer& layer) const;
  std::string line_of_all() const;

  std::mutex mutex_;
  std::vector<Layer> layers_;
  const bool terminal_;
  const Clock::time_point began_ = Clock::now();
  std::size_t done_ = 0;   // layers whose lines stay
  std::size_t drawn_ = 0;  // lines below those, which the next frame replaces
  Clock::time_point drawn_at_{};
};

}  // namespace workshop
