#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/runner/project.hpp"
#include "common/runner/verdict.hpp"

namespace workshop {

/// How far somebody is, as `./workshop check --all --json` writes it and `./workshop room` reads it. The
/// schema is in common/runner/README.md.
struct ProgressReport {
  struct Step {
    int number = 0;
    std::string title;
    bool is_bonus = false;
    std::string state;  ///< "done", "open", "skipped" or "unknown": StepVerdict::State
  };
  struct Level {
    int number = 0;
    std::string title;
    bool is_done = false;
    bool compiles = true;
    std::vector<Step> steps;

    int done_steps() const;  ///< bonus steps left out, as in:
    int all_steps() const;
    const Step* first_open() const;  ///< null when only bonus steps are left
  };

  std::string name;  ///< whose it is
  std::string time;  ///< when it was made, UTC: "2026-01-31T09:30:00Z"
  std::vector<Level> levels;
};

/// The document for what `check` found.
std::string to_json(const Project& project, const std::vector<LevelVerdict>& verdicts);

/// Reads a document of somebody else's, who may have written anything. Throws std::runtime_error that says
/// what is wrong with it: no regular file, too large, no such document.
ProgressReport read_report(const std::filesystem::path& path);

}  // namespace workshop
