#include "common/testing/sandbox.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <ostream>
#include <set>
#include <sstream>
#include <thread>

#include "common/sys/error.hpp"
#include "common/sys/process.hpp"
#include "common/testing/catch.hpp"
#include "common/testing/skip.hpp"

namespace workshop::testing {
namespace {

using namespace std::chrono_literals;

constexpr auto kTimeLimit = 10s;  // no program under test takes a tenth of it: only what hangs meets it
constexpr std::chrono::milliseconds kPause = 2ms;  // between two looks
constexpr std::size_t kProcessLimit =
    1000;  // no program under test starts a tenth of it: only what forks without end

const std::string kOverrun = "started more than " + std::to_string(kProcessLimit) + " processes";

/// What a sandbox does not share with the machine.
int namespaces() {
  const int all = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
  return ::geteuid() == 0 ? all : all | CLONE_NEWUSER;
}

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path)
              .rdbuf();  // a process may end while its file is read: what there is, and no exception
  return text.str();
}

std::string own_folder() {
  char path[PATH_MAX + 1] = {};
  check(::readlink("/proc/self/exe", path, PATH_MAX), "readlink(\"/proc/self/exe\")");
  const std::string program(path);
  return program.substr(0, program.rfind('/'));
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

// ---------------------------------------------------------------- who we are

/// Runs this test program again as root, if sudo is there and lets us.
void ask_for_root(char** argv) {
  if (::geteuid() == 0 || std::getenv("WORKSHOP_NO_SUDO") != nullptr) return;
  const bool may_ask = ::isatty(STDIN_FILENO) && ::isatty(STDERR_FILENO);
  if (std::system("sudo -n true 2>/dev/null") != 0) {
    if (!may_ask) return;
    report("these tests make namespaces and devices, which needs root: sudo will ask for your password");
    if (std::system("sudo true") != 0) return;
  }
  std::vector<std::string> command = {"sudo", "-n", "--", "env"};
  for (const char* name : {"WORKSHOP_PROGRAM", "WORKSHOP_NO_SKIP"}) {
    if (const char* value = std::getenv(name)) command.push_back(std::string(name) + "=" + value);
  }
  command.push_back(own_folder() + "/" + base_name(argv[0]));
  for (char** argument = argv + 1; *argument != nullptr; ++argument) command.emplace_back(*argument);
  execute(command);
}

[[maybe_unused]] const bool registered = [] {
  before_tests = ask_for_root;
  return true;
}();

// ---------------------------------------------------------------- making the sandbox, in its first process

void mount_at(const char* type, const std::string& target, unsigned long flags, const char* data) {
  check(::mount(type, target.c_str(), type, flags, data), "mount(\"{}\", \"{}\")", type, target);
}

/// A copy of a file's mount, to be attached elsewhere: still at hand when /tmp is covered.
unique_fd clone_mount(const std::string& path) {
  const int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
  return unique_fd(static_cast<int>(check(::syscall(SYS_open_tree, AT_FDCWD, path.c_str(), flags),
                                          "open_tree(\"{}\", OPEN_TREE_CLONE)", path)));
}

void attach(const unique_fd& tree, const std::string& file) {
  unique_fd(check(::open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0755), "open(\"{}\")", file));
  check(::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, file.c_str(), MOVE_MOUNT_F_EMPTY_PATH),
        "move_mount(\"{}\")", file);
}

void make_everything_read_only() {
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  check(::syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof attributes),
        "mount_setattr(\"/\", AT_RECURSIVE, MOUNT_ATTR_RDONLY)");
}

void make_folder(const std::string& path, mode_t mode, const std::optional<User>& owner) {
  check(::mkdir(path.c_str(), mode), "mkdir(\"{}\")", path);
  if (owner) check(::chown(path.c_str(), owner->uid, owner->gid), "chown(\"{}\", {})", path, owner->uid);
}

void write_file(const std::string& path, const std::string& text) {
  const unique_fd file(check(::open(path.c_str(), O_WRONLY | O_CLOEXEC), "open(\"{}\")", path));
  check(::write(file.get(), text.data(), text.size()), "write(\"{}\")", path);
}

/// Without root, the sandbox is in a user namespace in which the user is still the same (user_namespaces(7)).
void keep_own_ids(uid_t uid, gid_t gid) {
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", fmt::format("{0} {0} 1", uid));
  write_file("/proc/self/gid_map", fmt::format("{0} {0} 1", gid));
}

/// Asked for here, so that a machine whose root is none (a container's) is told apart from a wrong program.
void try_device_node() {
  check(::mknod("/tmp/null", S_IFCHR | 0600, ::makedev(1, 3)), "mknod(\"/tmp/null\")");
  check(::unlink("/tmp/null"), "unlink(\"/tmp/null\")");
}

void set_up(const std::optional<User>& owner, bool privileged) {
  const std::string program = program_under_test();
  const std::string image = own_folder() + "/image";
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount(\"/\", MS_REC | MS_PRIVATE)");
  const unique_fd program_tree = clone_mount(program);
  const unique_fd image_tree = clone_mount(image);
  make_everything_read_only();
  mount_at("tmpfs", "/tmp", MS_NOSUID, "mode=1777,size=3g");
  mount_at("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  if (privileged) try_device_node();
  make_folder("/tmp/bin", 0755, std::nullopt);
  attach(program_tree, "/tmp/bin/" + base_name(program));
  // A second time, it would be opened for writing, which fails while it runs anywhere (open(2), ETXTBSY).
  if (base_name(program) != "image") attach(image_tree, "/tmp/bin/image");
  make_folder("/tmp/home", 0700, owner);
  make_folder("/tmp/store", 0755, owner);
  check(::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr), "mount(\"/\", MS_REC | MS_SHARED)");
  check(::sethostname("host", 4), "sethostname(\"host\")");
}

pid_t raw_clone(unsigned long flags) {
  // As fork(2), with flags. Stack 0 means: the caller's, copied (clone(2)).
  return static_cast<pid_t>(check(::syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0), "clone({:#x})", flags));
}

/// PID 1 of the sandbox: sets it up, says so by closing `ready`, and then only reaps.
[[noreturn]] void run_init(unique_fd ready, const std::optional<User>& owner, uid_t uid, gid_t gid) {
  try {
    check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG)");
    if (uid != 0) keep_own_ids(uid, gid);
    set_up(owner, uid == 0);
  } catch (const std::exception& error) {
    const std::string text = error.what();
    [[maybe_unused]] const auto written = ::write(ready.get(), text.data(), text.size());
    ::_exit(kFailed);
  }
  sigset_t child;
  ::sigemptyset(&child);
  ::sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &child, nullptr);
  ready.reset();
  for (;;) {
    while (::waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    ::sigwaitinfo(&child, nullptr);
  }
}

// ---------------------------------------------------------------- running programs in it

/// Appending: the offset that processes share is not locked in a memfd, and their lines would overlap.
unique_fd memory_file(const char* name) {
  unique_fd file(check(::memfd_create(name, MFD_CLOEXEC), "memfd_create(\"{}\")", name));
  check(::fcntl(file.get(), F_SETFL, O_APPEND), "fcntl(F_SETFL, O_APPEND)");
  return file;
}

std::string contents(const unique_fd& file) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::pread(file.get(), buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(n));
  }
  return text;
}

void log_in(const User& user) {
  const gid_t groups[] = {user.gid, 64242, 64243};  // as people have: groups that no map of theirs has
  become(user.uid, user.gid, groups);
  ::setenv("USER", user.name.c_str(), 1);
  ::setenv("LOGNAME", user.name.c_str(), 1);
}

void set_environment() {
  static constexpr const char* kVariables[][2] = {
      {"PATH", "/tmp/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/tmp/home"},
      {"WORKSHOP_STORE", "/tmp/store"},
      {"TERM", "dumb"},
      {"LC_ALL", "C.UTF-8"},
      {"LEAKED", "from-the-host"},
  };
  ::clearenv();
  for (const auto& [name, value] : kVariables) ::setenv(name, value, 1);
}

/// The device numbers in a mount table: a file system has one of its own (proc_pid_mountinfo(5), field 3).
std::set<std::string> devices(const std::string& mountinfo) {
  std::set<std::string> result;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, device;
    fields >> id >> parent >> device;
    result.insert(device);
  }
  return result;
}

/// Whom the programs of a sandbox become. Without root we are the user already.
std::optional<User> user_to_become(As who) {
  return ::geteuid() == 0 && who != As::root ? ordinary_user() : std::nullopt;
}

/// What a shell's 139 means. A signal that the test itself has sent needs no word.
std::string meaning_of(int status) {
  const int signal = status - 128;
  for (const int crash : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP}) {
    if (signal != crash) continue;
    return std::string(": signal ") + std::to_string(signal) + ", " + ::strsignal(signal) +
           ": it crashed. Look at the lines you wrote last, and what they pass on";
  }
  return "";
}

/// Sleeps a little, for loops that wait for something and look at a deadline.
void nap() {
  std::this_thread::sleep_for(kPause);
}

/// A word as one would type it into a shell, to try it.
std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_of(" \t\n'\"$&|;<>()*?[]#~\\`") == std::string::npos;
  if (plain) return word;
  if (word.find('\'') == std::string::npos) return "'" + word + "'";
  std::string result = "\"";
  for (const char c : word) {
    if (std::strchr("\"$`\\", c) != nullptr) result += '\\';
    result += c;
  }
  return result + "\"";
}

/// The beginning and the end of a long text: what is around it has to stay on the screen.
std::string shortened(const std::string& text) {
  constexpr std::size_t kFirst = 15, kLast = 5;
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  std::string result;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool is_shown = lines.size() <= kFirst + kLast + 1 || i < kFirst || i + kLast >= lines.size();
    if (is_shown) result += lines[i] + "\n";
    if (!is_shown && i == kFirst) {
      result += "(" + std::to_string(lines.size() - kFirst - kLast) + " lines more)\n";
    }
  }
  return result;
}

}  // namespace

std::ostream& operator<<(std::ostream& stream, const Run& run) {
  stream << "$ " << run.command << "\n";
  if (!run.stopped.empty()) return stream << run.stopped << "\n" << shortened(run.out) << shortened(run.err);
  stream << "exit status " << run.status << meaning_of(run.status) << "\n";
  if (!run.out.empty()) stream << "standard output:\n" << shortened(run.out);
  if (!run.err.empty()) stream << "standard error:\n" << shortened(run.err);
  return stream;
}

std::string program_under_test() {
  if (const char* program = std::getenv("WORKSHOP_PROGRAM")) return program;
  const std::string test = base_name(program_invocation_name);
  return own_folder() + "/" + test.substr(0, test.find("_test"));
}

Process::Process(std::string command, pid_t pid, unique_fd out, unique_fd err, const Sandbox& host)
    : command_(std::move(command)), pid_(pid), out_(std::move(out)), err_(std::move(err)), host_(host) {
  pidfd_.reset(static_cast<int>(check(::syscall(SYS_pidfd_open, pid, 0), "pidfd_open({})", pid)));
}

Process::~Process() {
  if (!pidfd_) return;  // waited for, or moved from
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

std::string Process::out() const {
  return contents(out_);
}

std::string Process::err() const {
  return contents(err_);
}

std::string Process::watch(const std::function<bool()>& done) const {
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  pollfd end{pidfd_.get(), POLLIN, 0};
  while (::poll(&end, 1, kPause.count()) == 0 && !done()) {
    if (host_.process_ids().size() > kProcessLimit) {
      host_.overrun();
      return kOverrun + " and was stopped";
    }
    if (std::chrono::steady_clock::now() > deadline) return "did not end by itself and was stopped";
  }
  return "";
}

bool Process::wrote(const std::string& text) const {
  const auto has_text = [&] { return out().find(text) != std::string::npos; };
  watch(has_text);
  return has_text();
}

Run Process::wait() {
  Run run;
  run.command = command_;
  run.stopped = watch([] { return false; });
  if (!run.stopped.empty()) ::kill(pid_, SIGKILL);
  int status = 0;
  check(::waitpid(pid_, &status, 0), "waitpid({})", pid_);
  pidfd_.reset();
  run.status = exit_status(status);
  run.out = contents(out_);
  run.err = contents(err_);
  return run;
}

Sandbox::Sandbox(As who) : who_(who), devices_before_(devices(read_file("/proc/self/mountinfo"))) {
  const uid_t uid = ::geteuid();
  const gid_t gid = ::getegid();
  const auto owner = user_to_become(who);
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  unique_fd told(ends[0]), ready(ends[1]);
  init_ = raw_clone(static_cast<unsigned long>(namespaces()));
  if (init_ == 0) run_init(std::move(ready), owner, uid, gid);
  init_pidfd_.reset(static_cast<int>(check(::syscall(SYS_pidfd_open, init_, 0), "pidfd_open({})", init_)));
  ready.reset();
  char text[512];
  const auto length = check(::read(told.get(), text, sizeof text), "read()");
  if (length > 0)
    throw std::runtime_error("no sandbox: " + std::string(text, static_cast<std::size_t>(length)));
}

Sandbox::~Sandbox() {
  // File systems that are mounted in here and were not on the machine before: none of them may be there now.
  // (Other mounts come and go on a machine in use.)
  std::set<std::string> ours = devices(read_file("/proc/" + std::to_string(init_) + "/mountinfo"));
  for (const std::string& device : devices_before_) ours.erase(device);
  ::kill(init_, SIGKILL);  // and with PID 1 everything in its namespace (pid_namespaces(7))
  ::waitpid(init_, nullptr, 0);
  std::string leaked;
  for (const std::string& device : devices(read_file("/proc/self/mountinfo"))) {
    if (ours.count(device) > 0) leaked += " " + device;
  }
  if (!leaked.empty())
    FAIL_CHECK("still mounted on the machine, by device number in /proc/self/mountinfo:" << leaked);
}

Process Sandbox::spawn(As who, const std::string& display, const std::vector<std::string>& argv) const {
  if (is_overrun_) throw std::runtime_error("a program " + kOverrun + ": this test was stopped");
  unique_fd out = memory_file("out"), err = memory_file("err");
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  unique_fd told(ends[0]), tell(ends[1]);
  // setns(2) into a PID namespace counts for children only: the helper enters, and leaves us its child as our
  // own.
  const auto user = user_to_become(who);  // asked here: inside, our id and environment are others
  const pid_t helper = check(::fork(), "fork()");
  if (helper == 0) {
    run_child([&] {
      check(::setns(init_pidfd_.get(), namespaces()), "setns()");
      const pid_t pid = raw_clone(CLONE_PARENT);
      if (pid > 0) {
        check(::write(tell.get(), &pid, sizeof pid), "write()");
        ::_exit(0);
      }
      const unique_fd null(check(::open("/dev/null", O_RDONLY | O_CLOEXEC), "open(\"/dev/null\")"));
      check(::dup2(null.get(), STDIN_FILENO), "dup2()");
      check(::dup2(out.get(), STDOUT_FILENO), "dup2()");
      check(::dup2(err.get(), STDERR_FILENO), "dup2()");
      check(::setsid(), "setsid()");
      // Whoever started the tests may ignore some, as a shell's background job does: that is inherited.
      for (const int signal : {SIGINT, SIGQUIT, SIGHUP, SIGTERM, SIGPIPE}) ::signal(signal, SIG_DFL);
      set_environment();
      if (user) log_in(*user);
      check(::chdir("/tmp/home"), "chdir(\"/tmp/home\")");
      execute(argv);
    });
  }
  tell.reset();
  pid_t pid = -1;
  const auto length = check(::read(told.get(), &pid, sizeof pid), "read()");
  ::waitpid(helper, nullptr, 0);
  if (length != sizeof pid)
    throw std::runtime_error("cannot start a program in the sandbox: " + contents(err));
  return Process(display, pid, std::move(out), std::move(err), *this);
}

void Sandbox::overrun() const {
  is_overrun_ = true;
  ::kill(init_, SIGKILL);  // and with PID 1 everything in its namespace (pid_namespaces(7))
}

Process Sandbox::start(const std::vector<std::string>& arguments) const {
  const std::string name = base_name(program_under_test());
  std::string display = name;
  for (const auto& argument : arguments) display += " " + quoted(argument);
  std::vector<std::string> argv = {"/tmp/bin/" + name};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return spawn(who_, display, argv);
}

Process Sandbox::start_shell(const std::string& script) const {
  return spawn(who_, script, {"/bin/sh", "-c", script});
}

Run Sandbox::run(const std::vector<std::string>& arguments) const {
  return start(arguments).wait();
}

Run Sandbox::shell(const std::string& script) const {
  return start_shell(script).wait();
}

Run Sandbox::root_shell(const std::string& script) const {
  return spawn(As::root, script, {"/bin/sh", "-c", script}).wait();
}

std::string Sandbox::path(const std::string& inside) const {
  return "/proc/" + std::to_string(init_) + "/root" + inside;
}

void Sandbox::write(const std::string& inside, const std::string& text) const {
  std::ofstream file(path(inside));
  if (!(file << text << std::flush)) throw std::runtime_error("cannot write " + inside);
}

std::vector<std::string> Sandbox::process_ids() const {
  // The namespace's own /proc, through its first process.
  const std::string proc = path("/proc");
  std::vector<std::string> result;
  DIR* folder = ::opendir(proc.c_str());
  if (folder == nullptr) throw_error(errno, "opendir(\"" + proc + "\")");
  while (const dirent* entry = ::readdir(folder)) {
    const std::string name = entry->d_name;
    if (name != "1" && name.find_first_not_of("0123456789") == std::string::npos) result.push_back(name);
  }
  ::closedir(folder);
  return result;
}

std::vector<std::string> Sandbox::processes() const {
  std::vector<std::string> result;
  for (const std::string& id : process_ids()) {
    std::string command = read_file(path("/proc/" + id + "/comm"));
    if (!command.empty()) command.pop_back();
    if (!command.empty()) result.push_back(command);
  }
  return result;
}

bool Sandbox::becomes_empty() const {
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  while (!processes().empty()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    nap();
  }
  return true;
}

std::string chapter_code(const std::string& path, const std::string& name) {
  const std::string chapter = read_file(path);
  const auto begin = chapter.find("```cpp\n// " + name + "\n");
  const auto end = chapter.find("\n```", begin + 6);
  if (begin == std::string::npos || end == std::string::npos) {
    throw std::runtime_error(path + " has no code block that begins with // " + name);
  }
  return chapter.substr(begin + 7, end + 1 - (begin + 7));
}

std::optional<std::string> cannot_run(As who) {
  if (::geteuid() != 0 && who != As::user) return "needs root: run it with sudo";
  static const auto why_no_sandbox = []() -> std::optional<std::string> {
    try {
      Sandbox attempt(As::user);
      return std::nullopt;
    } catch (const std::exception& error) {
      return error.what();
    }
  }();
  if (why_no_sandbox) return why_no_sandbox;
  if (who != As::root && !ordinary_user()) {
    return "needs an ordinary user to become: sudo ./workshop setup makes the user `workshop`";
  }
  return std::nullopt;
}

}  // namespace workshop::testing
