#pragma once

#include <sys/types.h>

#include <functional>
#include <iosfwd>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/sys/fd.hpp"
#include "common/sys/user.hpp"

namespace workshop::testing {

/// What a program did, for a test to judge and for a failure to show.
struct Run {
  std::string command;  ///< as one would type it
  int status = 0;       ///< exit status, 128 + N for signal N
  std::string out;      ///< what it wrote on standard output
  std::string err;      ///< and on standard error
  std::string stopped;  ///< why it was killed: it did not end by itself, or forked without end
};

std::ostream& operator<<(std::ostream& stream, const Run& run);

class Sandbox;

/// A program that runs in a sandbox, which outlives it. Destroyed while it runs, it is killed.
class Process {
 public:
  Process(Process&&) = default;
  ~Process();

  /// Its process id as the test sees it.
  pid_t pid() const { return pid_; }
  /// What it has written so far.
  std::string out() const;
  std::string err() const;
  /// Waits until `text` has been written on standard output. False when the program ended, or time was up,
  /// before.
  bool wrote(const std::string& text) const;
  /// Waits for its end. What does not end within the time limit is killed; with all else in its sandbox, when
  /// the processes there become too many.
  Run wait();

 private:
  friend class Sandbox;
  Process(std::string command, pid_t pid, unique_fd out, unique_fd err, const Sandbox& host);

  /// Watches it until it ends or `done`. Why it has to be stopped before, or nothing.
  std::string watch(const std::function<bool()>& done) const;

  std::string command_;
  pid_t pid_;
  unique_fd pidfd_, out_, err_;
  const Sandbox& host_;
};

/// Who the program under test is run as.
enum class As {
  root,  ///< root of the machine: levels 1 and 2. No user namespace can stand in: it makes no device nodes
  user,  ///< an ordinary user: the one who runs the tests; started as root, who called sudo, or `workshop`
  user_with_ids,  ///< the same, on a host whose /etc/subuid the test may change, which takes root
};

/// A small host of its own for one test case: mount, PID, IPC and UTS namespaces that end with it, and with
/// them every mount, process and file made in it.
///
/// In it, all the machine's file systems are read-only, /tmp is a fresh tmpfs, and all mounts are shared, as
/// systemd makes them: what a program under test mounts without a namespace of its own shows. On /tmp are
///
///     /tmp/bin    the program under test, and `image`
///     /tmp/home   the user's home, where programs start
///     /tmp/store  the image store ($WORKSHOP_STORE), empty
///
/// The destructor fails the test if a file system of the sandbox's is mounted on the real host.
class Sandbox {
 public:
  explicit Sandbox(As who);
  ~Sandbox();
  Sandbox(const Sandbox&) = delete;
  Sandbox& operator=(const Sandbox&) = delete;

  /// Runs the program under test with these arguments, to its end.
  Run run(const std::vector<std::string>& arguments) const;
  /// Runs a shell script on this host, as root or the user; `levelNN` and `image` are in its PATH.
  Run shell(const std::string& script) const;
  /// The same as root, whoever the sandbox is for: to change the host, as with a mount(8).
  Run root_shell(const std::string& script) const;

  /// The same without waiting.
  Process start(const std::vector<std::string>& arguments) const;
  Process start_shell(const std::string& script) const;

  /// The commands of all processes that run on this host, the tests' own left out: for "nothing is left
  /// behind".
  std::vector<std::string> processes() const;
  /// Waits until processes() is empty; false when it does not become so.
  bool becomes_empty() const;

  /// Where the test itself finds a file of this host: "/tmp/home/x" has another name outside.
  std::string path(const std::string& inside) const;
  /// Writes a file of this host, as root.
  void write(const std::string& inside, const std::string& text) const;

 private:
  friend class Process;
  Process spawn(As who, const std::string& display, const std::vector<std::string>& argv) const;

  /// Of all processes in it, those of containers too, as they are numbered there; without the first.
  std::vector<std::string> process_ids() const;

  /// Kills all that runs in it. Nothing can be started here any more.
  void overrun() const;

  As who_;
  mutable bool is_overrun_ = false;
  std::set<std::string> devices_before_;  // of the machine's mount table
  pid_t init_ = -1;
  unique_fd init_pidfd_;
};

/// The ordinary user of As::user.
using workshop::ordinary_user;
using workshop::User;

/// The program under test: $WORKSHOP_PROGRAM, else the levelNN beside levelNN_test.
std::string program_under_test();

/// The code block of a chapter (WORKSHOP_CHAPTER is the level's README.md) that begins with the comment `//
/// NAME`: what a chapter prints is what the tests run.
std::string chapter_code(const std::string& chapter, const std::string& name);

/// Why this machine cannot run a sandbox, or nothing. Asked once.
std::optional<std::string> cannot_run(As who);

}  // namespace workshop::testing

/// Requires `condition` of a run; a failure shows the command, what it wrote, and where to look.
#define WORKSHOP_EXPECT(run, condition, hint)               \
  do {                                                      \
    if (!(condition)) FAIL((run) << "look at: " << (hint)); \
    SUCCEED();                                              \
  } while (false)

/// Begins a test: makes the sandbox `name`, or skips.
#define WORKSHOP_SANDBOX(name, who)                                                       \
  if (const auto why_not = ::workshop::testing::cannot_run(who)) WORKSHOP_SKIP(*why_not); \
  const ::workshop::testing::Sandbox name(who)
