#pragma once

#include <string>
#include <vector>

#include "common/image/manifest.hpp"
#include "common/image/store.hpp"

namespace workshop {

/// What the command line of `image` says.
struct Arguments {
  std::string store;
  std::vector<std::string> operands;
  bool quiet = false;
  std::string output;                ///< -o
  std::optional<Platform> platform;  ///< --platform
};

/// A subcommand of `image`.
struct Command {
  const char* name;
  const char* operands;     ///< for --help
  const char* description;  ///< for --help; the first line is its summary
  std::size_t least;        ///< operands
  std::size_t most;
  const char*
      options;  ///< those it has beside --store, -q and --help: words out of "platform", "output", "max-size"
  Store::Use use;  ///< of the store
  void (*run)(const Arguments& arguments, Store& store);
};

/// All of them, in the order of --help.
const std::vector<Command>& commands();

}  // namespace workshop
