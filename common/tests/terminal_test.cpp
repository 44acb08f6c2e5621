// The finished containers in a real terminal, as a person uses them.

#include <cstdlib>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/testing/terminal.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;

namespace {

void use_solution(const std::string& level) {
  ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/solutions/" + level).c_str(), 1);
}

/// Level 5 on a root file system of its own, for an ordinary user: what "box" stands for in the tests' lines.
void make_box(const Sandbox& host) {
  const std::string user = ordinary_user()->name;
  const Run ids = host.root_shell("echo " + user +
                                  ":200000:65536 > /tmp/ids && mount --bind /tmp/ids /etc/subuid && "
                                  "mount --bind /tmp/ids /etc/subgid");
  REQUIRE(ids.status == 0);
  REQUIRE(host.run({"run", "--", "image", "extract", "busybox", "/tmp/home/root"}).status == 0);
}

}  // namespace

TEST_CASE("a shell in level 2's container has job control, and gives the terminal back") {
  use_solution("level02");
  WORKSHOP_SANDBOX(host, As::root);
  const Terminal terminal(host);
  terminal.type("level02 run -- sh");
  WORKSHOP_SHOWS(terminal, "/ #");
  terminal.type("echo pid-$$");
  WORKSHOP_SHOWS(terminal, "pid-1");
  terminal.type("sleep 1001");
  terminal.press("C-c");
  terminal.type("echo interrupted-$?");
  WORKSHOP_SHOWS(terminal, "interrupted-130");
  terminal.type("sleep 1002");
  terminal.press("C-z");
  WORKSHOP_SHOWS(terminal, "Stopped");
  terminal.type("jobs; echo listed");
  WORKSHOP_SHOWS(terminal, "listed");
  terminal.type("fg");
  terminal.press("C-c");
  terminal.type("exit 3");
  terminal.type("echo outside-$?");
  WORKSHOP_SHOWS(terminal, "outside-3");
  terminal.type("read line; echo read-$line");
  terminal.type("this");
  WORKSHOP_SHOWS(terminal, "read-this");
}

TEST_CASE("Ctrl-C ends, and Ctrl-Z stops, a container whose command knows nothing of signals") {
  use_solution("level02");
  WORKSHOP_SANDBOX(host, As::root);
  const Terminal terminal(host);
  terminal.type("level02 run -- sh -c 'echo up-1; exec sleep 1003'; echo ended-$?");
  WORKSHOP_SHOWS(terminal, "\nup-1");
  terminal.press("C-c");
  WORKSHOP_SHOWS(terminal, "ended-130");
  terminal.type("level02 run -- sh -c 'echo up-2; exec sleep 1004'");
  WORKSHOP_SHOWS(terminal, "\nup-2");
  terminal.press("C-z");
  WORKSHOP_SHOWS(terminal, "Stopped");
  terminal.type("fg; echo resumed-and-ended-$?");
  WORKSHOP_SHOWS(terminal, "fg; echo");
  terminal.press("C-c");
  WORKSHOP_SHOWS(terminal, "resumed-and-ended-130");
  terminal.type("ps -e -o args | grep -c '[s]leep 100'; echo counted");
  WORKSHOP_SHOWS(terminal, "0\ncounted");
}

TEST_CASE("terminal programs work in level 5's container, and it learns of a new size") {
  use_solution("level05");
  WORKSHOP_SANDBOX(host, As::user_with_ids);
  make_box(host);
  const Terminal terminal(host);
  terminal.type("level05 run --hostname container --root root -- sh -l");
  WORKSHOP_SHOWS(terminal, "#");
  terminal.type("vi /tmp/text");
  WORKSHOP_SHOWS(terminal, "/tmp/text");
  terminal.press("i");
  terminal.type("written in vi");
  terminal.press("Escape");
  WORKSHOP_SHOWS(terminal,
                 "- /tmp/text");  // no longer "I": what follows would be taken for the rest of a key's code
  terminal.type(":wq");
  terminal.type("clear; cat /tmp/text; stty size");
  WORKSHOP_SHOWS(terminal, "written in vi\n\n24 80");
  terminal.type("seq 100 | less");
  WORKSHOP_SHOWS(terminal, "\n20\n");
  terminal.press("G");
  WORKSHOP_SHOWS(terminal, "\n100\n");
  terminal.press("q");
  terminal.type("top");
  WORKSHOP_SHOWS(terminal, "Load average");
  terminal.press("q");
  terminal.resize(100, 30);
  terminal.type("clear; stty size");
  WORKSHOP_SHOWS(terminal, "30 100");
  terminal.type("sleep 1005");
  terminal.press("C-z");
  WORKSHOP_SHOWS(terminal, "Stopped");
  terminal.type("fg");
  WORKSHOP_SHOWS(terminal, "# fg\nsleep 1005");
  terminal.press("C-c");
  terminal.type("echo resumed-$?");
  WORKSHOP_SHOWS(terminal, "resumed-130");
  terminal.type("sleep 1006");
  terminal.press("C-z");
  WORKSHOP_SHOWS(terminal, "Stopped                    sleep 1006");
  terminal.type("kill %1; exit 4");
  terminal.type("exit 4");
  terminal.type("echo outside-$?");
  WORKSHOP_SHOWS(terminal, "outside-4");
}
