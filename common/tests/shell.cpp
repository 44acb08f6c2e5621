#include "common/tests/shell.hpp"

#include <unistd.h>

#include <ostream>

#include "common/sys/error.hpp"
#include "common/sys/process.hpp"

namespace workshop::testing {

std::ostream& operator<<(std::ostream& stream, const Outcome& outcome) {
  return stream << outcome.script << "\nexit status " << outcome.status << "\nstandard output:\n"
                << outcome.out << "\nstandard error:\n"
                << outcome.err << "\n";
}

std::string program_folder() {
  std::string path(4096, '\0');
  path.resize(check(::readlink("/proc/self/exe", path.data(), path.size()), "readlink(\"/proc/self/exe\")"));
  return path.substr(0, path.rfind('/'));
}

Outcome run(const Scratch& scratch, const std::string& script) {
  const std::string frame =
      "cd \"$0\" || exit 99\n"
      "export PATH=\"$1:$PATH\" STORE=\"$0/store\" WORKSHOP_STORE=\"$0/store\" HOME=\"$0\" "
      "WORKSHOP_PATIENCE=0.1\n"
      "unset WORKSHOP_REGISTRY DOCKER_CONFIG XDG_DATA_HOME SUDO_UID\n"
      "exec >\"$0/.out\" 2>\"$0/.err\" </dev/null\n" +
      script;
  const int status = run_helper("/bin/sh", {"sh", "-c", frame, scratch.path(), program_folder()});
  return {script, status, read_file(scratch / ".out"), read_file(scratch / ".err")};
}

bool is_one_line_with(const std::string& text, const std::string& part) {
  return contains(text, part) && text.find('\n') == text.size() - 1;
}

}  // namespace workshop::testing
