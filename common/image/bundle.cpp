#include "common/image/bundle.hpp"

#include <archive_entry.h>
#include <sys/stat.h>

#include <cstring>
#include <map>
#include <vector>

#include "common/image/files.hpp"
#include "common/image/inflate.hpp"
#include "common/image/manifest.hpp"
#include "common/image/tar_reader.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr std::size_t kMostLinks = 8;  // followed one after the other

/// "./a/../b//c" as "b/c".
std::string normal(const std::string& path) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= path.size();) {
    const auto end = std::min(path.find('/', begin), path.size());
    const std::string part = path.substr(begin, end - begin);
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!part.empty() && part != "." && part != "..") parts.push_back(part);
    begin = end + 1;
  }
  std::string result;
  for (const auto& part : parts) result += (result.empty() ? "" : "/") + part;
  return result;
}

class Folder : public Bundle {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  std::optional<std::string> document(const std::string& member) override {
    if (!has(member)) return std::nullopt;
    return read_document(file_source(path_ + "/" + normal(member)));
  }

  void each(const std::set<std::string>& members, const Take& take) override {
    for (const auto& member : members) {
      if (has(member)) take(member, file_source(path_ + "/" + normal(member)));
    }
  }

  bool is_folder() const override { return true; }

 private:
  bool has(const std::string& member) const {
    struct stat status {};
    return ::stat((path_ + "/" + normal(member)).c_str(), &status) == 0 && S_ISREG(status.st_mode);
  }

  std::string path_;
};

/// An archive can only be read from its beginning to its end. The first time what is small is remembered: the
/// documents.
class Archive : public Bundle {
 public:
  explicit Archive(std::string path) : path_(std::move(path)) {
    walk([this](const std::string& name, archive_entry* entry, const ByteSource& bytes) {
      remember(name, entry, bytes);
    });
  }

  std::optional<std::string> document(const std::string& member) override {
    const std::string name = resolve(member);
    if (const auto found = documents_.find(name); found != documents_.end()) return found->second;
    std::optional<std::string> text;
    each({name}, [&](const std::string&, const ByteSource& bytes) { text = read_document(bytes); });
    return text;
  }

  void each(const std::set<std::string>& members, const Take& take) override {
    std::map<std::string, std::string> wanted;  // as they are called in the archive
    for (const auto& member : members) wanted[resolve(member)] = member;
    walk([&](const std::string& name, archive_entry* entry, const ByteSource& bytes) {
      const auto found = wanted.find(name);
      if (found != wanted.end() && ::archive_entry_filetype(entry) == AE_IFREG) take(found->second, bytes);
    });
  }

  std::string resolve(const std::string& member) const override {
    std::string name = normal(member);
    for (std::size_t i = 0; i < kMostLinks; ++i) {
      const auto link = links_.find(name);
      if (link == links_.end()) break;
      name = link->second;
    }
    return name;
  }

 private:
  using Visit = std::function<void(const std::string& name, archive_entry* entry, const ByteSource& bytes)>;

  void walk(const Visit& visit) {
    const ByteSource tar = inflate(file_source(path_));
    std::vector<std::byte> block(1 << 20);
    TarReader reader([&]() -> std::span<const std::byte> { return std::span(block).first(tar(block)); });
    while (archive_entry* entry = reader.next()) {
      visit(normal(::archive_entry_pathname(entry)), entry, content(reader));
    }
  }

  /// The data of the current entry as a ByteSource, the holes of a sparse file filled.
  static ByteSource content(TarReader& reader) {
    struct Position {
      TarReader::Piece piece{};
      std::int64_t offset = 0;
    };
    return [&reader, at = std::make_shared<Position>()](std::span<std::byte> buffer) -> std::size_t {
      while (at->piece.bytes.empty()) {
        if (!reader.read(at->piece)) return 0;
      }
      const auto hole = static_cast<std::size_t>(at->piece.offset - at->offset);
      const std::size_t count = std::min(hole > 0 ? hole : at->piece.bytes.size(), buffer.size());
      if (hole > 0) {
        std::memset(buffer.data(), 0, count);
      } else {
        std::memcpy(buffer.data(), at->piece.bytes.data(), count);
        at->piece.bytes = at->piece.bytes.subspan(count);
        at->piece.offset += static_cast<std::int64_t>(count);
      }
      at->offset += static_cast<std::int64_t>(count);
      return count;
    };
  }

  void remember(const std::string& name, archive_entry* entry, const ByteSource& bytes) {
    constexpr std::int64_t kSmall = 256 << 10;
    constexpr std::size_t kMostRemembered = 32 << 20;
    if (const char* target = ::archive_entry_symlink(entry)) {
      const auto slash = name.rfind('/');
      links_[name] = normal((slash == std::string::npos ? "" : name.substr(0, slash + 1)) + target);
    } else if (const char* original = ::archive_entry_hardlink(entry)) {
      links_[name] = normal(original);
    } else if (::archive_entry_filetype(entry) == AE_IFREG && ::archive_entry_size(entry) <= kSmall &&
               remembered_ < kMostRemembered) {
      std::string text = read_document(bytes);
      remembered_ += text.size() + name.size();
      documents_[name] = std::move(text);
    }
  }

  std::string path_;
  std::map<std::string, std::string> links_;
  std::map<std::string, std::string> documents_;
  std::size_t remembered_ = 0;
};

}  // namespace

std::unique_ptr<Bundle> Bundle::open(const std::string& path) {
  struct stat status {};
  check(::stat(path.c_str(), &status), "stat(\"{}\")", path);
  if (S_ISDIR(status.st_mode)) return std::make_unique<Folder>(path);
  if (!S_ISREG(status.st_mode))
    throw std::runtime_error(fmt::format("{} is neither a file nor a folder", path));
  return std::make_unique<Archive>(path);
}

}  // namespace workshop
