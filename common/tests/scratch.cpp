#include "common/tests/scratch.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "common/image/digest.hpp"
#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"
#include "common/sys/process.hpp"
#include "common/sys/tree.hpp"
#include "common/testing/catch.hpp"

namespace workshop::testing {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kUser = 61234;  // nobody in particular

std::string attributes(const std::string& path) {
  std::vector<char> names(64 << 10), value(64 << 10);
  std::string result;
  const auto length = ::llistxattr(path.c_str(), names.data(), names.size());
  for (const char* name = names.data(); name < names.data() + length; name += std::strlen(name) + 1) {
    const auto size = ::lgetxattr(path.c_str(), name, value.data(), value.size());
    result += fmt::format(" {}=", name);
    for (long i = 0; i < size; ++i) result += fmt::format("{:02x}", static_cast<unsigned char>(value[i]));
  }
  return result;
}

std::string contents(const std::string& path, const struct stat& status) {
  if (S_ISLNK(status.st_mode)) return fs::read_symlink(path).string();
  if (!S_ISREG(status.st_mode)) return "";
  const std::string text = read_file(path);
  if (text.size() < 60) return text;
  Hasher hasher;
  hasher.update(std::as_bytes(std::span(text)));
  return hasher.finish().string();
}

void write_file(const std::string& path, const std::string& text) {
  std::ofstream(path) << text << std::flush;
}

}  // namespace

Scratch::Scratch() {
  char path[] = "/tmp/workshop-test-XXXXXX";
  if (::mkdtemp(path) == nullptr) throw_error(errno, "mkdtemp(\"/tmp/workshop-test-XXXXXX\")");
  path_ = path;
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  unique_fd end_of_test(ends[0]);
  alive_.reset(ends[1]);
  // A process of its own removes the directory, so that it goes also when the test is killed.
  cleaner_ = check(::fork(), "fork()");
  if (cleaner_ == 0) {
    run_child([&] {
      ::setsid();  // out of reach of what ends the test's process group
      alive_.reset();
      char byte = 0;
      while (::read(end_of_test.get(), &byte, 1) == -1 && errno == EINTR) {
      }
      remove_tree(path_);
      ::_exit(0);
    });
  }
}

Scratch::~Scratch() {
  // Closing would not do: the cleaner of a Scratch that is younger, and lives on, holds this end as well.
  [[maybe_unused]] const auto written = ::write(alive_.get(), "", 1);
  ::waitpid(cleaner_, nullptr, 0);
}

std::string Scratch::directory(const std::string& name) const {
  fs::create_directories(path_ + "/" + name);
  return path_ + "/" + name;
}

void Scratch::shell(const std::string& script) const {
  const int status = run_helper("/bin/sh", {"sh", "-ec", "cd \"$0\"\n" + script, path_});
  INFO(script);
  REQUIRE(status == 0);
}

Snapshot snapshot(const std::string& directory, bool changes) {
  Snapshot result;
  std::map<ino_t, std::string> first_names;
  const auto add = [&](const std::string& path) {
    struct stat status {};
    check(::lstat(path.c_str(), &status), "lstat(\"{}\")", path);
    const std::string name = path == directory ? "." : path.substr(directory.size() + 1);
    const bool is_directory = S_ISDIR(status.st_mode);
    std::string line = fmt::format("{:06o} {}:{} {}.{:09}", status.st_mode, status.st_uid, status.st_gid,
                                   status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
    if (!is_directory) line += fmt::format(" {} bytes, {} names", status.st_size, status.st_nlink);
    if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
      line += fmt::format(" device {:x}", status.st_rdev);
    if (changes) line += fmt::format(" changed {}.{:09}", status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
    line += attributes(path) + " [" + contents(path, status) + "]";
    result[name] = line;
    first_names.try_emplace(status.st_ino, name);
    if (!is_directory && status.st_nlink > 1) result[name] += " first";
  };
  add(directory);
  std::vector<std::string> paths;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) add(path);
  for (auto& [name, line] : result) {
    if (!line.ends_with(" first")) continue;
    struct stat status {};
    ::lstat((directory + "/" + name).c_str(), &status);
    line.replace(line.size() - 5, 5, "the same as " + first_names[status.st_ino]);
  }
  return result;
}

std::string difference(const Snapshot& before, const Snapshot& after) {
  std::string result;
  for (const auto& [name, line] : before) {
    const auto other = after.find(name);
    if (other == after.end() || other->second != line) result += "- " + name + ": " + line + "\n";
  }
  for (const auto& [name, line] : after) {
    const auto other = before.find(name);
    if (other == before.end() || other->second != line) result += "+ " + name + ": " + line + "\n";
  }
  return result;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string error_of(const std::function<void()>& function) {
  try {
    function();
    return "";
  } catch (const std::exception& error) {
    return error.what();
  }
}

std::string in_child(const std::function<std::string()>& function) {
  int ends[2];
  check(::pipe2(ends, O_CLOEXEC), "pipe2()");
  unique_fd reading(ends[0]), writing(ends[1]);
  const pid_t pid = check(::fork(), "fork()");
  if (pid == 0) {
    std::string answer;
    const std::string error = error_of([&] { answer = function(); });
    if (!error.empty()) answer = "failed: " + error;
    [[maybe_unused]] const auto written = ::write(writing.get(), answer.data(), answer.size());
    ::_exit(0);
  }
  writing.reset();
  std::string answer;
  char buffer[4096];
  for (long count; (count = ::read(reading.get(), buffer, sizeof buffer)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(count));
  }
  int status = 0;
  check(::waitpid(pid, &status, 0), "waitpid({})", pid);
  REQUIRE(exit_status(status) == 0);
  return answer;
}

void become_user(const std::string& path) {
  if (::geteuid() != 0) return;
  check(::chown(path.c_str(), kUser, kUser), "chown(\"{}\")", path);
  check(::setgroups(0, nullptr), "setgroups(0)");
  check(::setresgid(kUser, kUser, kUser), "setresgid({})", kUser);
  check(::setresuid(kUser, kUser, kUser), "setresuid({})", kUser);
}

void enter_user_namespace() {
  const std::string uid_map = fmt::format("0 {} 1", ::geteuid()),
                    gid_map = fmt::format("0 {} 1", ::getegid());
  check(::unshare(CLONE_NEWUSER | CLONE_NEWNS), "unshare(CLONE_NEWUSER | CLONE_NEWNS)");
  write_file("/proc/self/setgroups", "deny");
  write_file("/proc/self/uid_map", uid_map);
  write_file("/proc/self/gid_map", gid_map);
}

}  // namespace workshop::testing
