#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/sys/user.hpp"

namespace workshop {

/// Whom and what the needs of the levels are asked of.
struct Machine {
  bool is_root;                 ///< of the machine, not of a user namespace
  std::optional<User> user;     ///< the ordinary user of levels 3 to 5
  std::string root_store;       ///< where levels 1 and 2 keep images
  std::string user_store;       ///< where levels 3 to 5 do
  std::filesystem::path build;  ///< where programs are built
};

Machine this_machine(const std::filesystem::path& build);

/// What came of trying.
struct Answer {
  enum class State { ok, failed, untried } state = State::ok;
  std::string problem;  ///< of one that failed, or why it was not tried
  std::string mend;     ///< the command that mends it, or what else to do
};

/// Something that levels `first` to `last` need.
struct Need {
  const char* what;
  int first, last;
  Answer (*answer)(const Machine&);  ///< tries it, in a child, and leaves nothing behind
};

const std::vector<Need>& needs();

}  // namespace workshop
