#include "common/image/lookup.hpp"

#include <algorithm>

#include "common/image/builtin.hpp"
#include "common/image/default_store.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// How many characters must be changed to turn one into the other (Levenshtein).
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0]++;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

bool is_near(const ImageName& wanted, const ImageName& present) {
  const std::string a = wanted.familiar();
  const std::string b = present.familiar();
  const bool same_name = wanted.repository.substr(wanted.repository.rfind('/') + 1) ==
                         present.repository.substr(present.repository.rfind('/') + 1);
  return same_name || distance(a, b) <= 2 + a.size() / 8;
}

std::string near_names(const ImageName& wanted, const Store& store) {
  std::vector<ImageName> names{ImageName::parse("busybox")};
  for (const auto& image : store.images()) {
    if (!is_builtin(image.name)) names.push_back(image.name);
  }
  std::string near;
  for (const auto& name : names) {
    if (is_near(wanted, name)) near += (near.empty() ? "" : ", ") + name.familiar();
  }
  return near;
}

}  // namespace

void Lookup::refuse(const ImageName& name) const {
  const std::string near = near_names(name, own_);
  throw std::runtime_error(
      fmt::format("no image {} in {}: {}get it with 'image pull {}', or see 'image list'", name.familiar(),
                  own_.path(), near.empty() ? "" : fmt::format("did you mean {}? ", near), name.familiar()));
}

Image Lookup::require(const std::string& text) {
  const ImageName name = ImageName::parse(text);
  if (const auto image = own_.find(name)) return Image(own_, *image);
  if (is_builtin(name)) return Image(own_, make_builtin(own_));
  if (const std::string path = store_of_sudo_caller(); !path.empty() && path != own_.path()) {
    if (!callers_) callers_.emplace(path, Store::Use::read_only);
    if (const auto image = callers_->find(name)) return Image(*callers_, *image);
  }
  refuse(name);
}

}  // namespace workshop
