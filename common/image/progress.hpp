#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace workshop {

/// How several transfers go: on a terminal a line each, kept up to date in place; elsewhere a line when one
/// is done, and every ten seconds for one that takes long. All functions may be called from any thread. While
/// it lives, say() and it do not get in each other's way.
class Progress {
 public:
  Progress();
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Adds a line and returns its number. `total` is in bytes.
  std::size_t add(const std::string& label, std::uint64_t total);

  /// There are `bytes` now.
  void update(std::size_t line, std::uint64_t bytes);

  /// It is done: "fetched", "already there".
  void finish(std::size_t line, const std::string& outcome);

  /// A line between them, for say().
  void print(const std::string& message);

 private:
  using Clock = std::chrono::steady_clock;
  struct Line {
    std::string label;
    std::uint64_t total;
    std::uint64_t bytes = 0;
    std::uint64_t first = 0;  // bytes there were at the beginning: not fetched now
    Clock::time_point began{};
    Clock::time_point told{};
    std::string outcome{};
    std::string text() const;
  };
  void erase();
  void draw();

  std::mutex mutex_;
  std::vector<Line> lines_;
  const bool terminal_;
  std::size_t drawn_ = 0;
  Clock::time_point drawn_at_;
};

}  // namespace workshop
