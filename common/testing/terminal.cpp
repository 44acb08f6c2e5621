#include "common/testing/terminal.hpp"

#include <chrono>
#include <stdexcept>
#include <thread>

namespace workshop::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 30s;

std::string quoted(const std::string& word) {
  std::string result = "'";
  for (const char c : word) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

}  // namespace

Terminal::Terminal(const Sandbox& host) : host_(host) {
  tmux("-f /dev/null new-session -d -x 80 -y 24 'PS1=host\\> exec bash --norc'");
  if (!shows("host>")) throw std::runtime_error("no shell in the terminal:\n" + screen());
}

void Terminal::tmux(const std::string& arguments) const {
  const Run run = host_.shell("TMUX_TMPDIR=/tmp/home tmux -L test " + arguments);
  if (run.status != 0) throw std::runtime_error("tmux " + arguments + ": " + run.err);
}

void Terminal::type(const std::string& line) const {
  tmux("send-keys -l " + quoted(line));
  press("Enter");
}

void Terminal::press(const std::string& key) const {
  tmux("send-keys " + key);
}

void Terminal::resize(int columns, int rows) const {
  tmux("resize-window -x " + std::to_string(columns) + " -y " + std::to_string(rows));
}

std::string Terminal::screen() const {
  return host_.shell("TMUX_TMPDIR=/tmp/home tmux -L test capture-pane -p -S -").out;
}

bool Terminal::shows(const std::string& text) const {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (screen().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(10ms);
  }
  return true;
}

}  // namespace workshop::testing
