// `./workshop completion bash|zsh|fish`: the script for the shell, which is a file in
// common/setup/completion.

#include "common/runner/commands.hpp"
#include "common/runner/project.hpp"
#include "common/runner/terminal.hpp"
#include "common/sys/error.hpp"

namespace workshop {

int show_completion(const Arguments& arguments) {
  arguments.allow(1);
  const std::string shell = arguments.words.empty() ? "" : arguments.words[0];
  if (shell != "bash" && shell != "zsh" && shell != "fish") {
    throw UsageError("for which shell? ./workshop completion bash, zsh or fish");
  }
  print(read_file(find_project().source / "common/setup/completion" / ("workshop." + shell)));
  return 0;
}

}  // namespace workshop
