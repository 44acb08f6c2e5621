#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace workshop {

/// A program for the runner to run. It is found in PATH, ends when the runner ends, and shares its terminal.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::pair<std::string, std::string>> environment = {};  ///< added to ours
  std::filesystem::path folder = {};                                  ///< to run in; empty: where we are
  bool with_errors = false;  ///< capture standard error together with standard output
  /// To run as, when we are root: what builds in a checkout must not leave root's files in it.
  std::optional<std::pair<uid_t, gid_t>> user = {};
};

struct Output {
  int status = 0;    ///< exit status, 128 + N for signal N; 127 when the program does not exist
  std::string text;  ///< what it wrote
};

/// Runs it with our standard output and error; returns its exit status.
int run(const Command& command);

/// Runs it and returns what it wrote on standard output.
Output capture(const Command& command);

/// Runs it and hands over each line of standard output as it comes; returns its exit status.
int run_by_line(const Command& command, const std::function<void(const std::string& line)>& on_line);

/// Becomes root by running the same command line again with sudo, and does not return. Does return when we
/// are root. `why` completes "this needs root to ...". `environment` names the variables that go along.
/// Throws std::runtime_error where there is no sudo.
void become_root(char** argv, const std::string& why, const std::vector<std::string>& environment = {});

/// The path of the program of this name in PATH; "" if there is none.
std::string find_program(const std::string& name);
bool has_program(const std::string& name);

}  // namespace workshop
