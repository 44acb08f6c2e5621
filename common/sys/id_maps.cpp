#include "common/sys/id_maps.hpp"

#include <pwd.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "common/sys/error.hpp"
#include "common/sys/process.hpp"

namespace workshop {
namespace {

constexpr std::size_t kMaxMapLines = 340;  // user_namespaces(7)

/// Ids that /etc/subuid or /etc/subgid grants: a line of theirs.
struct IdRange {
  std::uint32_t first, count;
};

/// A line of subuid(5) or subgid(5), NAME-OR-UID:FIRST:COUNT. False if it is none.
bool parse_line(const std::string& line, std::string& owner, IdRange& range) {
  char name[256];
  unsigned long long first = 0, count = 0;
  int end = 0;
  const int fields = std::sscanf(line.c_str(), "%255[^:]:%10llu:%10llu%n", name, &first, &count, &end);
  if (fields != 3 || static_cast<std::size_t>(end) != line.size()) return false;
  // The last id, 4294967295, is (uid_t)-1: none at all.
  if (count == 0 || count > UINT32_MAX || first > UINT32_MAX - count) return false;
  owner = name;
  range = {static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(count)};
  return true;
}

/// All ranges of the user. Both files name the user: so does /etc/subgid, whose ranges are of group ids
/// (subgid(5)).
std::vector<IdRange> read_subordinate_ids(const std::string& path, uid_t uid) {
  const passwd* entry = ::getpwuid(uid);
  const std::string number = std::to_string(uid);
  const std::string name = entry != nullptr ? entry->pw_name : number;
  std::ifstream file(path);
  if (!file) throw_error(errno, fmt::format("open(\"{}\")", path));
  std::vector<IdRange> ranges;
  std::string line, owner;
  for (int lines = 1; std::getline(file, line); ++lines) {
    if (line.find_first_not_of(" \t") == std::string::npos || line[0] == '#') continue;
    IdRange range{};
    if (!parse_line(line, owner, range)) {
      throw std::runtime_error(fmt::format("{}:{}: \"{}\" is not NAME:FIRST:COUNT", path, lines, line));
    }
    if (owner == name || owner == number) ranges.push_back(range);
  }
  if (!ranges.empty()) return ranges;
  throw std::runtime_error(
      fmt::format("no ids for user {0} in {1}; this grants some: sudo usermod --add-subuids "
                  "100000-165535 --add-subgids 100000-165535 {0}",
                  name, path));
}
/// The ranges without the id `own`: no id outside may be mapped twice.
std::vector<IdRange> without(const std::vector<IdRange>& ranges, std::uint32_t own) {
  std::vector<IdRange> result;
  for (const IdRange& range : ranges) {
    if (own < range.first || own - range.first >= range.count) {
      result.push_back(range);
      continue;
    }
    const std::uint32_t before = own - range.first;
    if (before > 0) result.push_back({range.first, before});
    if (range.count - before > 1) result.push_back({own + 1, range.count - before - 1});
  }
  return result;
}

/// The subordinate ids one after the other from 0 on, and among them, at `inside`, the caller's `own` id.
std::vector<IdMap> lay_out(const std::vector<IdRange>& ranges, std::uint32_t own, std::uint32_t inside) {
  std::vector<IdMap> maps;
  std::uint64_t next = 0;  // the id inside that comes next
  const auto add = [&](std::uint32_t outside, std::uint32_t count) {
    if (count == 0) return;
    if (next + count > UINT32_MAX) throw std::runtime_error("more subordinate ids than there are ids");
    maps.push_back({static_cast<std::uint32_t>(next), outside, count});
    next += count;
  };
  for (const IdRange& range : without(ranges, own)) {
    const bool here = next <= inside && inside - next < range.count;  // the own id splits this range
    const std::uint32_t before = here ? static_cast<std::uint32_t>(inside - next) : 0;
    add(range.first, before);
    if (here) add(own, 1);
    add(range.first + before, range.count - before);
  }
  if (next <= inside) maps.push_back({inside, own, 1});
  if (maps.size() > kMaxMapLines) {
    throw std::runtime_error(fmt::format("{} lines of id maps; the kernel takes {} (user_namespaces(7))",
                                         maps.size(), kMaxMapLines));
  }
  return maps;
}
/// Starts PROGRAM PID INSIDE OUTSIDE COUNT ... (newuidmap(1)).
pid_t start_mapper(const std::string& program, pid_t pid, const std::vector<IdMap>& maps) {
  std::vector<std::string> words = {program, std::to_string(pid)};
  for (const IdMap& map : maps) {
    for (const std::uint32_t number : {map.inside, map.outside, map.count})
      words.push_back(std::to_string(number));
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t mapper = -1;
  // posix_spawnp(3) returns the error number: nothing for check().
  const int error = ::posix_spawnp(&mapper, argv[0], nullptr, nullptr, argv.data(), environ);
  if (error != 0) throw_error(error, program + " (it comes with the package uidmap)");
  return mapper;
}

/// Waits for both before it says which one failed: nothing may be left running.
void finish_mappers(pid_t uid_mapper, pid_t gid_mapper) {
  int uid_status = 0, gid_status = 0;
  check(::waitpid(uid_mapper, &uid_status, 0), "waitpid({})", uid_mapper);
  check(::waitpid(gid_mapper, &gid_status, 0), "waitpid({})", gid_mapper);
  if (uid_status == 0 && gid_status == 0) return;
  throw std::runtime_error(fmt::format(
      "{} failed with status {}: it must be setuid root, and maps only what /etc/subuid and /etc/subgid "
      "grant; this "
      "mends the first: sudo apt-get install --reinstall uidmap",
      uid_status != 0 ? "newuidmap" : "newgidmap", exit_status(uid_status != 0 ? uid_status : gid_status)));
}
}  // namespace

IdMaps make_id_maps(uid_t uid, gid_t gid, std::uint32_t map_uid, std::uint32_t map_gid) {
  return {lay_out(read_subordinate_ids("/etc/subuid", uid), uid, map_uid),
          lay_out(read_subordinate_ids("/etc/subgid", uid), gid, map_gid)};
}

void write_id_maps(pid_t pid, const IdMaps& maps) {
  const pid_t uid_mapper = start_mapper("newuidmap", pid, maps.uid);
  const pid_t gid_mapper = start_mapper("newgidmap", pid, maps.gid);
  finish_mappers(uid_mapper, gid_mapper);
}

void print_id_maps(const IdMaps& maps) {
  for (const IdMap& map : maps.uid) fmt::print("uid {} {} {}\n", map.inside, map.outside, map.count);
  for (const IdMap& map : maps.gid) fmt::print("gid {} {} {}\n", map.inside, map.outside, map.count);
}

}  // namespace workshop
