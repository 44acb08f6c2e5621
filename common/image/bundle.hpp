#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "common/image/byte_source.hpp"

namespace workshop {

/// A folder or an archive with the parts of images in it. Nothing is ever written under the names in there.
class Bundle {
 public:
  using Take = std::function<void(const std::string& member, const ByteSource& bytes)>;

  /// Opens `path`, a folder or a tar archive, compressed or not.
  static std::unique_ptr<Bundle> open(const std::string& path);
  virtual ~Bundle() = default;

  /// A member's content; nothing if it is not there. Throws std::runtime_error if it is larger than
  /// kMaxDocument.
  virtual std::optional<std::string> document(const std::string& member) = 0;

  /// Hands each of those members that are there to `take`, in whatever order they come.
  virtual void each(const std::set<std::string>& members, const Take& take) = 0;

  /// The member that `member` is a link to, or itself.
  virtual std::string resolve(const std::string& member) const { return member; }

  virtual bool is_folder() const { return false; }
};

}  // namespace workshop
