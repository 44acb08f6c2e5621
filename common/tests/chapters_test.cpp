// The chapters: their transcripts are what one sees, and what they name is there.

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <set>

#include "common/testing/catch.hpp"
#include "common/testing/sandbox.hpp"
#include "common/testing/skip.hpp"
#include "common/tests/scratch.hpp"
#include "common/tests/shell.hpp"
#include "common/tests/transcript.hpp"

using namespace workshop::testing;
namespace fs = std::filesystem;

namespace {

const fs::path kSource = WORKSHOP_SOURCE;
constexpr const char* kTree = "/tmp/home/containers-by-hand";  // where the reader has it

bool begins_with(const std::string& text, const std::string& part) {
  return text.compare(0, part.size(), part) == 0;
}

/// The folders of the levels, level01-chroot and so on, in order.
std::set<std::string> level_folders() {
  std::set<std::string> result;
  for (const auto& entry : fs::directory_iterator(kSource)) {
    const std::string name = entry.path().filename();
    if (entry.is_directory() && begins_with(name, "level") && name.find('-') == 7) result.insert(name);
  }
  return result;
}

// ---------------------------------------------------------------- the machine of a chapter's reader

/// What the host must be like for a reader: sudo without a password, 65,536 subordinate ids, a host name that
/// sudo can look up, an empty /var/lib for root's image store, and what containers lack: a mount below /sys
/// and a /dev/ptmx that is a device.
constexpr const char* kReadersMachine = R"sh(set -e
umask 022
mkdir /tmp/etc
echo "$USERNAME ALL=(ALL) NOPASSWD: ALL" > /tmp/etc/sudoers
chmod 440 /tmp/etc/sudoers
echo "127.0.0.1 localhost $(hostname)" > /tmp/etc/hosts
echo "$USERNAME:200000:65536" | tee /tmp/etc/subuid > /tmp/etc/subgid
for file in /tmp/etc/*; do mount --bind "$file" "/etc/$(basename "$file")"; done
mount -t tmpfs -o mode=755 tmpfs /var/lib
grep -q ' /sys/' /proc/mounts || mount -t cgroup2 cgroup2 /sys/fs/cgroup
if [ -L /dev/ptmx ]; then
  mkdir -p /tmp/dev/pts
  (cd /dev && cp -a null zero full random urandom tty fd stdin stdout stderr /tmp/dev)
  mknod -m 666 /tmp/dev/ptmx c 5 2
  mount --bind /dev/pts /tmp/dev/pts
  mount --rbind /tmp/dev /dev
fi
chown -R "$USERNAME:" /tmp/home
)sh";

/// The workshop as it is on the reader's machine, with every level finished and all built.
void copy_workshop(const Sandbox& host) {
  const fs::path tree = host.path(kTree), built = program_folder();
  fs::create_directories(tree / "build/bin/solutions");
  for (const auto& entry : fs::directory_iterator(kSource)) {
    const std::string name = entry.path().filename();
    if (name[0] == '.' || begins_with(name, "build")) continue;
    fs::copy(entry, tree / name, fs::copy_options::recursive);
  }
  for (const std::string name : {"image", "workshop"}) fs::copy(built / name, tree / "build/bin" / name);
  for (const std::string& folder : level_folders()) {
    const std::string level = folder.substr(0, 7);
    fs::copy(built / "solutions" / level, tree / "build/bin" / level);
    fs::copy(built / "solutions" / level, tree / "build/bin/solutions" / level);
  }
  // ./workshop has nothing to build: it is here.
  host.write(std::string(kTree) + "/common/setup/build", "#!/bin/sh\n");
}

/// A word as the shell reads it.
std::string quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string(R"('\'')") : std::string(1, c);
  return result + "'";
}

Run run_as_reader(const Sandbox& host, const std::string& command) {
  return host.shell(
      fmt::format("cd {} && unset WORKSHOP_STORE LEAKED && export WORKSHOP_SETUP=off && "
                  "exec bash -c {} 2>&1",
                  kTree, quoted(command)));
}

// ---------------------------------------------------------------- the transcripts

/// Does what a chapter says. Returns what is different, a text for each command.
std::vector<std::string> run_chapter(const Sandbox& host, const std::string& chapter) {
  std::vector<std::string> differences;
  for (const Action& action : parse_chapter_actions(read_file(kSource / chapter))) {
    if (!action.file.empty()) {
      host.write(std::string(kTree) + "/" + action.file, action.text);
      continue;
    }
    const Run run = run_as_reader(host, action.text);
    if (run.stopped.empty() && looks_like(run.out, action.output)) continue;
    std::string shown;
    for (const std::string& line : action.output) shown += line + "\n";
    differences.push_back(fmt::format("{}:{}\n$ {}\nexpected:\n{}seen{}:\n{}", chapter, action.line,
                                      action.text, shown, !run.stopped.empty() ? " until it was stopped" : "",
                                      run.out));
  }
  return differences;
}

/// Does what all chapters say, on one machine: each builds on those before it. Returns what is different, by
/// the level's folder.
std::map<std::string, std::vector<std::string>> run_chapters() {
  const Sandbox host(As::user_with_ids);
  copy_workshop(host);
  const Run prepared = host.root_shell("USERNAME=" + ordinary_user()->name + "\n" + kReadersMachine);
  WORKSHOP_EXPECT(prepared, prepared.status == 0, "the test's own set-up");
  std::map<std::string, std::vector<std::string>> result;
  for (const std::string& folder : level_folders()) result[folder] = run_chapter(host, folder + "/README.md");
  return result;
}

void check_transcripts(const std::string& level) {
  // A sandbox is for one program, which it shows; here it is called by its path in the reader's tree.
  ::setenv("WORKSHOP_PROGRAM", (program_folder() + "/solutions/" + level).c_str(), 1);
  if (const auto why = cannot_run(As::user_with_ids)) WORKSHOP_SKIP(*why);
  if (!fs::exists("/usr/bin/sudo")) WORKSHOP_SKIP("needs the package sudo: the chapters use it");
  static const auto differences = run_chapters();
  for (const auto& [folder, texts] : differences) {
    if (!begins_with(folder, level + "-")) continue;
    SUCCEED();
    for (const std::string& text : texts) FAIL_CHECK(text);
    return;
  }
  FAIL("there is no folder " << level << "-*");
}

// ---------------------------------------------------------------- what chapters name

/// All the .md files of the repository.
std::vector<fs::path> documents() {
  std::vector<fs::path> result;
  fs::recursive_directory_iterator files(kSource);
  for (auto entry = fs::begin(files); entry != fs::end(files); ++entry) {
    const std::string name = entry->path().filename();
    if (entry->is_directory() && (name[0] == '.' || begins_with(name, "build"))) {
      entry.disable_recursion_pending();
    } else if (entry->path().extension() == ".md") {
      result.push_back(entry->path());
    }
  }
  return result;
}

/// What follows each `before` in a text, up to a character that is in `end`.
std::set<std::string> all_after(const std::string& text, const std::string& before, const std::string& end) {
  std::set<std::string> result;
  for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
    const auto begin = at + before.size();
    result.insert(text.substr(begin, text.find_first_of(end, begin) - begin));
  }
  return result;
}

/// A document without its code blocks, in which "](" is no link, and "# " no heading.
std::string without_code(const std::string& text) {
  std::string result;
  bool code = false;
  for (std::size_t begin = 0, end; begin < text.size(); begin = end) {
    end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    const std::string line = text.substr(begin, end - begin);
    const bool fence = begins_with(line, "```");
    if (!code && !fence) result += line;
    code = code != fence;
  }
  return result;
}

/// What GitHub calls the headings of a document: "Look closer!" is "look-closer".
std::set<std::string> anchors(const fs::path& document) {
  std::set<std::string> result;
  for (const std::string& heading : all_after("\n" + without_code(read_file(document)), "\n#", "\n")) {
    std::string anchor;
    for (const char c : heading.substr(heading.find(' ') + 1)) {
      if (c == ' ') anchor += '-';
      if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || (c & 0x80) != 0)
        anchor += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    result.insert(anchor);
  }
  return result;
}

/// Whether a link of a document leads to a file that exists, and in it to a heading.
bool leads_somewhere(const fs::path& document, const std::string& link) {
  const auto hash = link.find('#');
  const std::string path = link.substr(0, hash);
  const fs::path file = path.empty() ? document : document.parent_path() / path;
  if (!fs::exists(file)) return false;
  return hash == std::string::npos || anchors(file).count(link.substr(hash + 1)) == 1;
}

/// Whether the build makes build/bin/NAME. A learner's level may not compile now: its source is enough.
bool is_built(const std::string& name) {
  if (name == "image" || name == "workshop") return true;
  std::string level = name;
  if (begins_with(level, "solutions/")) level = level.substr(10);
  if (level.size() > 5 && level == name && level.substr(level.size() - 5) == "_test")
    level.resize(level.size() - 5);
  return level.size() == 7 && fs::exists(kSource / "solutions" / (level + ".cpp"));
}

}  // namespace

TEST_CASE("the transcripts of level 1's chapter are what one sees") {
  check_transcripts("level01");
}

TEST_CASE("the transcripts of level 2's chapter are what one sees") {
  check_transcripts("level02");
}

TEST_CASE("the transcripts of level 3's chapter are what one sees") {
  check_transcripts("level03");
}

TEST_CASE("the transcripts of level 4's chapter are what one sees") {
  check_transcripts("level04");
}

TEST_CASE("the transcripts of level 5's chapter are what one sees") {
  check_transcripts("level05");
}

TEST_CASE("each level has a chapter with commands in it that are run") {
  REQUIRE(level_folders().size() == 5);
  for (const std::string& folder : level_folders()) {
    INFO(folder);
    REQUIRE(parse_chapter_actions(read_file(kSource / folder / "README.md")).size() >= 10);
  }
}

TEST_CASE("what is not in a transcript is a difference, and what a placeholder stands for is none") {
  using Lines = std::vector<std::string>;
  CHECK(looks_like("", {}));
  CHECK(looks_like("one\ntwo\n", {"one", "two"}));
  CHECK(looks_like("pid 42 ended\n", {"pid … ended"}));
  CHECK(looks_like("pid 42\n", {"…"}));
  CHECK(looks_like("", {"…"}));
  CHECK(looks_like("a\nb\nc\n", Lines{"a", "  …", "c"}));
  CHECK(looks_like("a\nb\nb\nc\n", Lines{"…", "b", "…"}));
  CHECK(looks_like("mnt:[4026]\n", {"mnt:[…]"}));
  CHECK(looks_like("*?[a]\\\n", {"*?[a]\\"}));

  CHECK_FALSE(looks_like("one\n", {}));
  CHECK_FALSE(looks_like("", {"one"}));
  CHECK_FALSE(looks_like("one\ntwo\n", {"one"}));
  CHECK_FALSE(looks_like("two\none\n", Lines{"one", "two"}));
  CHECK_FALSE(looks_like("pid 42 ended\n", {"pid …ed 42"}));
  CHECK_FALSE(looks_like("a\nb\n", Lines{"a", "…", "c"}));
  CHECK_FALSE(looks_like("anything\n", {"*"}));
}

TEST_CASE("of a chapter the console blocks are run and the named files saved, in order") {
  const auto actions = parse_chapter_actions(
      "Text\n```cpp\n// a.cpp\nint a;\n```\n```cpp\nint no_name;\n```\n```console no-run\n$ no\n```\n"
      "```console\n$ true\n$ echo one\none\n```\n");
  REQUIRE(actions.size() == 3);
  CHECK(actions[0].file == "a.cpp");
  CHECK(actions[0].text == "// a.cpp\nint a;\n");
  CHECK(actions[1].text == "true");
  CHECK(actions[1].output.empty());
  CHECK(actions[2].line == 14);
  CHECK(actions[2].text == "echo one");
  CHECK(actions[2].output == std::vector<std::string>{"one"});
}

TEST_CASE("a block of a chapter that would be left out by mistake is an error") {
  const auto error = [](const std::string& chapter) {
    return error_of([&] { parse_chapter_actions(chapter); });
  };
  CHECK(contains(error("```console norun\n$ true\n```\n"), "line 1: "));
  CHECK(contains(error("```console\ntrue\n```\n"), "line 2: "));
  CHECK(contains(error("\n```console\n$ true\n"), "line 2: "));
}

TEST_CASE("every link in the chapters leads to a file and a heading that exist") {
  std::size_t links = 0;
  for (const fs::path& document : documents()) {
    for (const std::string& link : all_after(without_code(read_file(document)), "](", ")")) {
      if (begins_with(link, "http")) continue;
      INFO(fs::relative(document, kSource).string() << ": " << link);
      CHECK(leads_somewhere(document, link));
      ++links;
    }
  }
  CHECK(links > 20);
  CHECK_FALSE(leads_somewhere(kSource / "README.md", "level06-missing/README.md"));
  CHECK_FALSE(leads_somewhere(kSource / "README.md", "LICENSE#missing"));
}

TEST_CASE("every command of ./workshop that the chapters name exists") {
  const std::string help = read_file(kSource / "common/runner/help.txt");
  std::set<std::string> commands = all_after(help, "\n  ./workshop ", " ");
  CHECK(commands.count("check") == 1);
  for (const fs::path& document : documents()) {
    for (const std::string& word : all_after(read_file(document), "./workshop ", " `\n.,:;)]<'\"")) {
      if (word.empty() || !std::islower(static_cast<unsigned char>(word[0]))) continue;
      INFO(fs::relative(document, kSource).string() << ": ./workshop " << word);
      CHECK(commands.count(word) == 1);
    }
  }
}

TEST_CASE("every program in build/bin that the chapters name is built") {
  CHECK(is_built("solutions/level01"));
  CHECK_FALSE(is_built("level99"));
  CHECK_FALSE(is_built("solutions/level01_test"));
  for (const fs::path& document : documents()) {
    for (const std::string& name : all_after(read_file(document), "build/bin/", " `\n.,:;)]<'\"")) {
      INFO(fs::relative(document, kSource).string() << ": build/bin/" << name);
      CHECK(is_built(name));
    }
  }
}
