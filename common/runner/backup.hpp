#pragma once

#include <filesystem>
#include <string>

#include "common/runner/project.hpp"

namespace workshop {

/// Replaces what a learner has written by `text`, after keeping it as FILE.~1~, FILE.~2~ and so on, the
/// numbered backups of the GNU tools: no backup is ever overwritten. Says where it is. Where the text is the
/// same, nothing happens.
void replace_keeping_backup(const Project& project, const std::filesystem::path& file,
                            const std::string& text);

}  // namespace workshop
