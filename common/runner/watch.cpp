// `./workshop watch [N]`: check at every save, with keys for what one wants next.

#include <poll.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <climits>
#include <csignal>

#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/terminal.hpp"
#include "common/runner/verdict.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"

namespace workshop {
namespace {

constexpr int kQuietMilliseconds = 40;  // an editor may write a file in several goes

/// Keys come one by one and unseen while this lives; Ctrl-C comes as a key as well, so that the terminal is
/// always put back.
class KeyMode {
 public:
  KeyMode() : on_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
    termios keys = before_;
    keys.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ISIG);
    if (on_terminal_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &keys);
  }
  ~KeyMode() {
    if (on_terminal_) ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  KeyMode(const KeyMode&) = delete;
  KeyMode& operator=(const KeyMode&) = delete;

  bool on_terminal() const { return on_terminal_; }

 private:
  termios before_{};
  bool on_terminal_;
};

/// Sees saves of the levels' files: the folders are watched, since many editors save by renaming a new file
/// over the old one (inotify(7)).
class Saves {
 public:
  explicit Saves(const Project& project)
      : inotify_(check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init1()")) {
    for (const auto& level : project.levels) {
      check(::inotify_add_watch(inotify_.get(), level.folder.c_str(), IN_CLOSE_WRITE | IN_MOVED_TO),
            "inotify_add_watch(\"{}\")", level.folder.string());
    }
  }

  int descriptor() const { return inotify_.get(); }

  /// Whether one of the events that have come is about `file`. When too many came at once, it may be.
  bool take(const std::string& file) {
    bool saved = false;
    alignas(inotify_event) char buffer[16 * (sizeof(inotify_event) + NAME_MAX + 1)];
    for (ssize_t length; (length = ::read(inotify_.get(), buffer, sizeof buffer)) > 0;) {
      for (const char* at = buffer; at < buffer + length;) {
        const auto* event = reinterpret_cast<const inotify_event*>(at);
        saved = saved || (event->mask & IN_Q_OVERFLOW) != 0 || (event->len > 0 && file == event->name);
        at += sizeof(inotify_event) + event->len;
      }
    }
    return saved;
  }

 private:
  unique_fd inotify_;
};

/// TERM and HUP as something to wait for: the terminal is put back before the end.
unique_fd open_signals() {
  sigset_t ending;
  ::sigemptyset(&ending);
  for (const int signal : {SIGTERM, SIGHUP, SIGINT}) ::sigaddset(&ending, signal);
  check(::sigprocmask(SIG_BLOCK, &ending, nullptr), "sigprocmask(SIG_BLOCK)");
  return unique_fd(check(::signalfd(-1, &ending, SFD_CLOEXEC), "signalfd()"));
}

enum class Event { none, saved, hint, diff, next, quit };

Event event_of_key(char key) {
  switch (key) {
    case 'h':
      return Event::hint;
    case 'd':
      return Event::diff;
    case 'n':
      return Event::next;
    case 'q':
    case '\003':  // Ctrl-C
    case '\004':
      return Event::quit;
    default:
      return Event::none;
  }
}

/// The last key that means something, of all that were pressed since we last looked. Quit, if that is among
/// them: nobody wants to wait for what was typed before.
Event read_keys() {
  char keys[256];
  const ssize_t count = ::read(STDIN_FILENO, keys, sizeof keys);
  if (count <= 0) return Event::quit;  // the end of the terminal
  Event last = Event::none;
  for (ssize_t i = 0; i < count && last != Event::quit; ++i) {
    const Event event = event_of_key(keys[i]);
    if (event != Event::none) last = event;
  }
  return last;
}

Event wait_for_event(Saves& saves, const unique_fd& signals, const std::string& file) {
  const KeyMode keys;
  pollfd sources[] = {{saves.descriptor(), POLLIN, 0}, {signals.get(), POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}};
  const nfds_t count = keys.on_terminal() ? 3 : 2;
  for (bool saved = false;;) {
    const int ready = ::poll(sources, count, saved ? kQuietMilliseconds : -1);
    if (ready == -1 && errno == EINTR) continue;
    check(ready, "poll()");
    if (ready == 0) return Event::saved;
    if (sources[1].revents != 0) return Event::quit;
    if (sources[0].revents != 0) saved = saves.take(file) || saved;
    const Event event = count == 3 && sources[2].revents != 0 ? read_keys() : Event::none;
    if (event != Event::none) return event;
  }
}

void clear_screen() {
  if (is_colourful()) print("\033[H\033[2J\033[3J");
}

const Level& level_after(const Project& project, const Level& level) {
  for (const auto& other : project.levels) {
    if (other.number > level.number) return other;
  }
  return level;
}

/// The words of a command about the step that is open.
Arguments about_step(const Level& level, const LevelVerdict& verdict) {
  Arguments arguments;
  arguments.words = {std::to_string(level.number)};
  const StepVerdict* open = verdict.first_open();
  if (open != nullptr) arguments.words.push_back(std::to_string(open->step.number));
  return arguments;
}

void show(Event event, const Project& project, const Level& level, LevelVerdict& verdict) {
  if (event == Event::hint && verdict.first_open() == nullptr && verdict.compile_errors.empty()) {
    print("All steps are done: there is nothing to give a hint for.\n");
  } else if (event == Event::hint) {
    show_hint(about_step(level, verdict));
  } else if (event == Event::diff) {
    diff_level(about_step(level, verdict));
  } else {
    clear_screen();
    verdict = judge(project, level, Extent::first_failure);
    print_verdict(project, verdict);
  }
}

void print_keys(const Project& project, const Level& level) {
  const std::string file = project.shown(level.skeleton);
  print(
      faint(fmt::format("\n{} is checked at every save.\nh hint   d diff   n next level   q quit\n", file)));
}

}  // namespace

int watch_level(const Arguments& arguments) {
  arguments.allow(1);
  const Project project = find_project();
  const unique_fd signals = open_signals();
  Saves saves(project);
  const Level* level =
      arguments.words.empty() ? first_unfinished(project).level : &project.level(arguments.words[0]);
  LevelVerdict verdict;
  for (Event event = Event::saved; event != Event::quit;) {
    if (event == Event::next) level = &level_after(project, *level);
    try {
      show(event, project, *level, verdict);
    } catch (const std::exception& error) {
      print(fmt::format("{}\n", error.what()));  // and go on: the next save may mend it
    }
    print_keys(project, *level);
    event = wait_for_event(saves, signals, level->skeleton.filename());
  }
  return 0;
}

}  // namespace workshop
