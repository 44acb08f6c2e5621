#include "common/image/command.hpp"

#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "common/sys/error.hpp"

namespace workshop {

void enter_root(const std::string& root, bool pivot) {
  if (pivot) {
    check(::mount(root.c_str(), root.c_str(), nullptr, MS_BIND | MS_REC, nullptr), "mount(\"{}\", MS_BIND)",
          root);
    check(::chdir(root.c_str()), "chdir(\"{}\")", root);
    check(::syscall(SYS_pivot_root, ".", "."), "pivot_root(\".\", \".\")");
  } else {
    check(::chroot(root.c_str()), "chroot(\"{}\")", root);
  }
  const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  check(::mount("proc", "/proc", "proc", flags, nullptr), "mount(\"proc\", \"/proc\")");
  if (pivot) check(::umount2(".", MNT_DETACH), "umount2(\".\", MNT_DETACH)");
  check(::chdir("/"), "chdir(\"/\")");
}

std::vector<std::string> prepare_image_command(const std::vector<std::string>& given,
                                               const ImageConfig& config) {
  const char* terminal = std::getenv("TERM");
  std::vector<std::string> environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                          std::string("TERM=") + (terminal != nullptr ? terminal : "xterm")};
  environment.insert(environment.end(), config.environment.begin(), config.environment.end());
  check(::clearenv() == 0 ? 0 : -1, "clearenv()");
  for (const std::string& variable : environment) {
    const std::string name = variable.substr(0, variable.find('='));
    const std::string value = variable.substr(std::min(name.size() + 1, variable.size()));
    check(::setenv(name.c_str(), value.c_str(), 1), "setenv(\"{}\")", name);
  }
  const std::string directory = config.working_directory.empty() ? "/" : config.working_directory;
  check(::chdir(directory.c_str()), "chdir(\"{}\")", directory);

  if (!given.empty()) return given;
  std::vector<std::string> command = config.entrypoint;
  command.insert(command.end(), config.command.begin(), config.command.end());
  if (command.empty()) throw UsageError("no command given, and the image names none");
  return command;
}

}  // namespace workshop
