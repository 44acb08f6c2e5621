#pragma once

#include <string>
#include <vector>

namespace workshop {

/// A bind mount asked for with --volume HOST:CONTAINER[:ro|rw].
struct Volume {
  std::string host;
  std::string container;
  bool read_only = true;
};

/// The command line of a level's program. Every level knows the options of those before it; what a level does
/// not know yet keeps its default.
struct Options {
  enum class Action { run, pull, maps } action = Action::run;

  std::string image;            ///< -i: levels 1 and 2: "busybox" where none was given; later: empty
  std::string store;            ///< --store, else default_store()
  bool pivot_root = false;      ///< --pivot-root: pivot_root(2) instead of chroot(2)
  std::string hostname;         ///< --hostname; empty: leave it
  unsigned map_uid = 1100;      ///< -m: the id inside that the caller's own user id becomes
  unsigned map_gid = 1100;      ///< -g: likewise the group id
  std::string root;             ///< -r: a directory to use as the root file system, absolute; empty: none
  std::string user;             ///< -u: name or uid (at most 4294967294) to be inside; empty: root
  std::vector<Volume> volumes;  ///< -v, in the order given
  std::vector<std::string> command;  ///< the command and its arguments, untouched; may be empty
};

/// Reads `levelNN run [OPTIONS] [--] COMMAND [ARG...]`, `levelNN pull IMAGE` and `levelNN maps [OPTIONS]` as
/// level `level` (1 to 5) knows them. What comes after the first word that is no option, or after `--`,
/// belongs to the command.
/// --help is answered on standard output and ends the program. Throws UsageError.
Options parse_options(int level, int argc, char** argv);

}  // namespace workshop
