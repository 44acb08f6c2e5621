#include "common/tests/layer_fixture.hpp"

#include <sys/stat.h>

#include "common/tests/scratch.hpp"

namespace workshop::testing {

ExtractionNotices extract(const std::vector<std::string>& layers, const std::string& destination,
                          const ExtractionLimits& limits) {
  Extraction extraction(destination, limits);
  for (const auto& layer : layers) extraction.apply(source_of(layer));
  return extraction.finish();
}

std::map<std::string, std::string> names_in(const std::string& directory) {
  std::map<std::string, std::string> result;
  for (const auto& [name, line] : snapshot(directory)) {
    const auto begin = line.find('[') + 1;
    const std::string text = line.substr(begin, line.find(']') - begin);
    const unsigned type = static_cast<unsigned>(std::stoul(line, nullptr, 8)) & S_IFMT;
    if (name == ".") continue;
    if (type == S_IFDIR) result[name + "/"] = "";
    if (type == S_IFREG) result[name] = text;
    if (type == S_IFLNK) result[name] = "-> " + text;
    if (type == S_IFIFO) result[name] = "| fifo";
  }
  return result;
}

Entry file(const std::string& name, const std::string& text) {
  return {Entry::file, name, text};
}
Entry directory(const std::string& name) {
  return {Entry::directory, name, "", 0755};
}
Entry link(const std::string& name, const std::string& target) {
  return {Entry::link, name, target, 0777};
}
Entry hard_link(const std::string& name, const std::string& target) {
  return {Entry::hard_link, name, target};
}
Entry whiteout(const std::string& name) {
  return file(name, "");
}

}  // namespace workshop::testing
