#include "common/runner/project.hpp"

#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <sstream>

#include "common/sys/error.hpp"
#include "common/sys/fd.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

bool is_digit(char c) {
  return std::isdigit(static_cast<unsigned char>(c)) != 0;
}

/// "level02-mountns", and nothing else.
bool is_level_folder(const std::string& name) {
  return name.size() > 8 && name.rfind("level", 0) == 0 && is_digit(name[5]) && is_digit(name[6]) &&
         name[7] == '-';
}

Level make_level(const fs::path& source, const std::string& folder) {
  Level level;
  level.id = folder.substr(0, 7);
  level.number = std::stoi(folder.substr(5, 2));
  level.name = folder.substr(8);
  level.folder = source / folder;
  level.skeleton = level.folder / (level.id + ".cpp");
  level.tests = level.folder / (level.id + "_test.cpp");
  level.chapter = level.folder / "README.md";
  level.solution = source / "solutions" / (level.id + ".cpp");
  return level;
}

struct stat status_of(const fs::path& path) {
  struct stat status {};
  check(::stat(path.c_str(), &status), "stat(\"{}\")", path.string());
  return status;
}

void write_all(const unique_fd& file, const std::string& text, const std::string& path) {
  for (std::size_t done = 0; done < text.size();) {
    done += static_cast<std::size_t>(
        check(::write(file.get(), text.data() + done, text.size() - done), "write(\"{}\")", path));
  }
}

}  // namespace

std::string Level::title() const {
  std::error_code missing;
  if (fs::exists(chapter, missing)) {
    std::istringstream lines(read_file(chapter));
    for (std::string line; std::getline(lines, line);) {
      if (line.rfind("# ", 0) == 0) return line.substr(2);
    }
  }
  return folder.filename();
}

const Level& Project::level(const std::string& name) const {
  const std::string digits = name.rfind("level", 0) == 0 ? name.substr(5) : name;
  const bool is_number =
      !digits.empty() && digits.size() < 4 && std::all_of(digits.begin(), digits.end(), is_digit);
  std::string known;
  for (const auto& level : levels) {
    if (is_number && level.number == std::stoi(digits)) return level;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", level.number);
  }
  throw UsageError(fmt::format("there is no level '{}': the levels are {}", name, known));
}

std::string Project::shown(const fs::path& path) const {
  const std::string from_here = fs::proximate(path);
  return from_here.rfind("..", 0) == 0 ? fs::proximate(path, source).string() : from_here;
}

uid_t Project::owner() const {
  return status_of(source).st_uid;
}

gid_t Project::group() const {
  return status_of(source).st_gid;
}

Project open_project(const fs::path& source, const fs::path& build) {
  Project project{source, build, {}};
  for (const auto& entry : fs::directory_iterator(source)) {
    const std::string name = entry.path().filename();
    if (is_level_folder(name) && entry.is_directory() && fs::exists(make_level(source, name).skeleton)) {
      project.levels.push_back(make_level(source, name));
    }
  }
  std::sort(project.levels.begin(), project.levels.end(),
            [](const Level& a, const Level& b) { return a.number < b.number; });
  return project;
}

fs::path own_build() {
  std::error_code no_proc;
  fs::path program = fs::read_symlink("/proc/self/exe", no_proc);
  // As it was started (getauxval(3)): `./workshop doctor` has something to say where there is no /proc.
  if (no_proc) program = fs::weakly_canonical(reinterpret_cast<const char*>(::getauxval(AT_EXECFN)));
  return program.parent_path().parent_path();
}

Project find_project() {
  const fs::path build = own_build();
  for (fs::path folder = build; folder.has_relative_path(); folder = folder.parent_path()) {
    if (fs::exists(folder / "CMakeLists.txt") && fs::exists(folder / "solutions")) {
      return open_project(folder, build);
    }
  }
  if (!fs::exists(WORKSHOP_SOURCE "/solutions")) {
    throw std::runtime_error(
        fmt::format("the workshop's files are not where they were when this was built, {}: "
                    "call ./workshop in the checkout, it builds again",
                    WORKSHOP_SOURCE));
  }
  return open_project(WORKSHOP_SOURCE, build);
}

std::string read_file(const fs::path& path) {
  const unique_fd file(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open(\"{}\")", path.string()));
  std::string text;
  char buffer[16384];
  while (const auto length =
             check(::read(file.get(), buffer, sizeof buffer), "read(\"{}\")", path.string())) {
    text.append(buffer, static_cast<std::size_t>(length));
  }
  return text;
}

void write_file(const Project& project, const fs::path& path, const std::string& text) {
  const std::string scratch = path.string() + ".new";
  const unique_fd file(
      check(::open(scratch.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644),
            "open(\"{}\")", scratch));
  write_all(file, text, scratch);
  struct stat before {};
  if (::stat(path.c_str(), &before) == 0)
    check(::fchmod(file.get(), before.st_mode & 07777), "fchmod(\"{}\")", scratch);
  if (::geteuid() == 0) {
    check(::fchown(file.get(), project.owner(), project.group()), "fchown(\"{}\")", scratch);
  }
  check(std::rename(scratch.c_str(), path.c_str()), "rename(\"{}\", \"{}\")", scratch, path.string());
}

}  // namespace workshop
