#pragma once

#include <sys/types.h>

#include <cstdint>
#include <vector>

// What level 4 writes by hand, for level 5: the ids of a user namespace (user_namespaces(7), subuid(5)).

namespace workshop {

/// A line of /proc/PID/uid_map or gid_map.
struct IdMap {
  std::uint32_t inside, outside, count;
};

struct IdMaps {
  std::vector<IdMap> uid, gid;
};

/// The maps of a container of user `uid`: all ids that /etc/subuid and /etc/subgid grant, from 0 on, and
/// among them, at `map_uid` and `map_gid`, the user's own. Throws when a file is missing or malformed or
/// grants nothing.
IdMaps make_id_maps(uid_t uid, gid_t gid, std::uint32_t map_uid, std::uint32_t map_gid);

/// Has newuidmap(1) and newgidmap(1) write the maps of the user namespace that process `pid` is in.
void write_id_maps(pid_t pid, const IdMaps& maps);

/// Prints the maps on standard output, a line "uid INSIDE OUTSIDE COUNT" or "gid ..." each.
void print_id_maps(const IdMaps& maps);

}  // namespace workshop
