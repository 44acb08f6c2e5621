#pragma once

#include <filesystem>
#include <string>

#include "common/runner/command.hpp"
#include "common/runner/project.hpp"

/// A copy of the sample workshop (common/tests/samples) in a scratch folder, with the runner in its
/// build/bin; gone at the end.
class SampleWorkshop {
 public:
  SampleWorkshop();
  ~SampleWorkshop();
  SampleWorkshop(const SampleWorkshop&) = delete;
  SampleWorkshop& operator=(const SampleWorkshop&) = delete;

  const std::filesystem::path& folder() const { return folder_; }
  workshop::Project project() const;

  std::string read(const std::string& file) const;
  void write(const std::string& file, const std::string& text) const;
  /// Replaces the first `from` in a file, which has to be there.
  void replace(const std::string& file, const std::string& from, const std::string& to) const;

  /// ./workshop ARGUMENTS, with standard error included or thrown away. Without a terminal.
  workshop::Output run(const std::string& arguments, bool with_errors = true) const;

 private:
  std::filesystem::path folder_;
};
