#include "common/image/interrupt.hpp"

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <initializer_list>

namespace workshop {
namespace {

// Set by a signal handler, which only a lock-free one may be, and read by all threads.
std::atomic<int> caught = 0;
static_assert(std::atomic<int>::is_always_lock_free);
std::atomic<bool> ignored = false;

void remember(int signal) {
  caught = signal;
}

}  // namespace

void catch_interrupts() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;  // nohup(1), or a shell's background job
    action.sa_handler = remember;
    action.sa_flags = 0;  // no SA_RESTART: waiting ends, with EINTR
    ::sigaction(signal, &action, nullptr);
  }
}

bool is_interrupted() {
  return caught != 0;
}

void throw_if_interrupted() {
  if (caught != 0 && !ignored) throw Interrupted();
}

void ignore_interrupts() {
  ignored = true;
}

void end_by_interrupt() {
  std::signal(caught, SIG_DFL);
  std::raise(caught);
  ::_exit(128 + caught);
}

}  // namespace workshop
