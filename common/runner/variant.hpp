#pragma once

#include <filesystem>
#include <string>

#include "common/runner/project.hpp"

namespace workshop {

/// A level's program built from another text than its file's, in build/gate/levelNN/NAME/.
struct Variant {
  std::filesystem::path program;
  std::string messages;  ///< the compiler's: warnings; errors, where it did not compile
  bool compiles = false;
};

/// Compiles and links `text` with the very commands that the build has for the level's own file. May be
/// called from several threads, for different names.
Variant build_variant(const Project& project, const Level& level, const std::string& name,
                      const std::string& text);

}  // namespace workshop
