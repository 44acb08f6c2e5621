#pragma once

#include <string>
#include <vector>

namespace workshop {

/// A line of mountinfo (proc_pid_mountinfo(5)).
struct Mount {
  int id = 0;
  std::string root;   ///< what of its file system is shown: "/" unless it is a bind mount of a part
  std::string point;  ///< where it is mounted, unescaped
  std::string type;   ///< of its file system
};

/// The mounts that this process sees, parents before their children. None at all: /proc is not there.
std::vector<Mount> read_mounts();

}  // namespace workshop
