// `./workshop gate [N] [--files] [--skeleton] [--walk] [--mutants]`: the authors' checks; all of them unless
// some are named. `--update` keeps what the tests say.

#include <cstdlib>

#include "common/runner/commands.hpp"
#include "common/runner/gate.hpp"
#include "common/runner/pristine.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr int kSkipped = 77;

constexpr struct {
  const char* option;
  const char* title;
  Findings (*check)(const Project&, const Level&);
} kChecks[] = {
    {"--files", "alike outside the blocks; each step has tests, heading, hints", check_files},
    {"--skeleton", "the skeleton fails each step's tests", check_skeleton},
    {"--walk", "with the first k steps done, exactly those pass", check_walk},
    {"--mutants", "with one step undone, its tests fail, and say what they always said", check_mutants},
    {"--update", "what the tests say with one step undone is kept", update_golden},
};

void print_findings(const Project& project, const Findings& findings) {
  const std::string top = project.source.string() + "/";
  for (const auto& list : {findings.defects, findings.skipped}) {
    for (std::string text : list) {
      for (auto at = text.find(top); at != std::string::npos; at = text.find(top)) text.erase(at, top.size());
      print("    " + text + (text.back() == '\n' ? "" : "\n"));
    }
  }
}

}  // namespace

int run_gate(const Arguments& arguments) {
  arguments.allow(1, {"--files", "--skeleton", "--walk", "--mutants", "--update", "--unless-edited"});
  const Project project = find_project();
  const bool everything =
      arguments.options.empty() || arguments.options == std::vector<std::string>{"--unless-edited"};
  bool defects = false, skipped = false;
  for (const auto& level : project.levels) {
    if (!arguments.words.empty() && &project.level(arguments.words[0]) != &level) continue;
    // The suite runs in learners' checkouts too. Where no skip is allowed, the files are the authors'.
    if (arguments.has("--unless-edited") && std::getenv("WORKSHOP_NO_SKIP") == nullptr &&
        is_edited(project, level)) {
      print(fmt::format("skip  {} is not the skeleton any more: somebody is learning here\n",
                        project.shown(level.skeleton)));
      skipped = true;
      continue;
    }
    for (const auto& [option, title, check_it] : kChecks) {
      const bool asked = arguments.has(option);
      if (!asked && (!everything || check_it == update_golden)) continue;
      const Findings findings = check_it(project, level);
      const bool ok = findings.defects.empty();
      print(fmt::format("{}  {}: {}\n",
                        ok ? findings.skipped.empty() ? green("ok  ") : yellow("skip") : red("FAIL"),
                        level.id, title));
      print_findings(project, findings);
      defects = defects || !ok;
      skipped = skipped || !findings.skipped.empty();
    }
  }
  if (defects) return 1;
  return skipped ? kSkipped : 0;
}

}  // namespace workshop
