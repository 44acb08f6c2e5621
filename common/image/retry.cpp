#include "common/image/retry.hpp"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <random>
#include <thread>

#include "common/image/interrupt.hpp"
#include "common/image/patience.hpp"
#include "common/image/say.hpp"

namespace workshop {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr int kTries = 4;
constexpr int kAllTries = 100;
constexpr double kLongestPause = 60;  // seconds

/// Retry-After is a number of seconds or a date (RFC 9110, section 10.2.3). 0 if it is neither.
double seconds_of(const std::string& retry_after) {
  if (retry_after.empty()) return 0;
  if (retry_after.find_first_not_of("0123456789") == std::string::npos) {
    return retry_after.size() > 6 ? 1e6 : std::stod(retry_after);
  }
  const std::time_t date = curl_getdate(retry_after.c_str(), nullptr);
  return date == -1 ? 0 : std::max(0.0, std::difftime(date, std::time(nullptr)));
}

double back_off(int tries) {
  thread_local std::minstd_rand random(std::random_device{}());
  const double longest = (1 << tries) * patience();
  return std::uniform_real_distribution(longest / 2, longest)(random);
}

}  // namespace

bool Retry::wait(const std::string& reason, const std::string& retry_after) {
  const double asked = seconds_of(retry_after);
  if (tries_ >= kTries || all_ >= kAllTries || asked > kLongestPause) return false;
  const double pause = asked > 0 ? asked : back_off(tries_);
  ++tries_;
  ++all_;
  say(fmt::format("{}; trying again in {:.1f} s ({} of {})", reason, pause, tries_, kTries));
  const auto end = steady_clock::now() + milliseconds(static_cast<long>(pause * 1000));
  while (steady_clock::now() < end) {
    throw_if_interrupted();
    if (cancelled_ && *cancelled_) return false;
    std::this_thread::sleep_for(
        std::min<steady_clock::duration>(end - steady_clock::now(), milliseconds(100)));
  }
  return true;
}

}  // namespace workshop
