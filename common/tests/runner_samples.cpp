#include "common/tests/runner_samples.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace fs = std::filesystem;

SampleWorkshop::SampleWorkshop() {
  std::string name = fs::temp_directory_path() / "workshop-sample-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp: " + name);
  folder_ = fs::canonical(name) / "a checkout";  // with a space in its path
  fs::copy(WORKSHOP_SAMPLES, folder_, fs::copy_options::recursive);
  fs::create_directories(folder_ / "build/bin");
  const fs::path own = fs::read_symlink("/proc/self/exe").parent_path();
  fs::copy_file(own / "workshop", folder_ / "build/bin/workshop");
  for (const char* part : {"runner/help.txt", "runner/help", "setup/completion"}) {
    fs::create_directories((folder_ / "common" / part).parent_path());
    fs::copy(fs::path(WORKSHOP_SAMPLES "/../..") / part, folder_ / "common" / part,
             fs::copy_options::recursive);
  }
}

SampleWorkshop::~SampleWorkshop() {
  std::error_code ignored;
  fs::remove_all(folder_.parent_path(), ignored);
}

workshop::Project SampleWorkshop::project() const {
  return workshop::open_project(folder_, folder_ / "build");
}

std::string SampleWorkshop::read(const std::string& file) const {
  return workshop::read_file(folder_ / file);
}

void SampleWorkshop::write(const std::string& file, const std::string& text) const {
  std::ofstream(folder_ / file) << text;
}

void SampleWorkshop::replace(const std::string& file, const std::string& from, const std::string& to) const {
  std::string text = read(file);
  const auto at = text.find(from);
  if (at == std::string::npos) throw std::runtime_error(file + " does not have: " + from);
  write(file, text.replace(at, from.size(), to));
}

workshop::Output SampleWorkshop::run(const std::string& arguments, bool with_errors) const {
  // What CI sets for our own tests is not meant for the sample.
  workshop::Command command{{"sh", "-c",
                             "unset WORKSHOP_NO_SKIP; exec build/bin/workshop " + arguments +
                                 (with_errors ? " 2>&1" : " 2>/dev/null")}};
  command.folder = folder_;
  return workshop::capture(command);
}
