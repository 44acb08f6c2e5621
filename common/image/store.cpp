#include "common/image/store.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/image/files.hpp"
#include "common/sys/error.hpp"
#include "common/sys/tree.hpp"

namespace workshop {
namespace {

namespace fs = std::filesystem;

constexpr int kVersion = 1;
constexpr const char* kMarker = "workshop-store.json";
constexpr const char* kFullName = "io.containerd.image.name";
constexpr const char* kReferenceName = "org.opencontainers.image.ref.name";

/// A folder in which a store may be made: empty but for what another process, making it too, has written so
/// far.
bool is_free(const std::string& path) {
  for (const auto& entry : fs::directory_iterator(path)) {
    const std::string name = entry.path().filename();
    if (name.rfind(kMarker, 0) != 0 && name != "lost+found") return false;
  }
  return true;
}

/// Whether there is a store at `path`; throws if there is something else.
bool is_store(const std::string& path) {
  const std::string marker = path + "/" + kMarker;
  struct stat status {};
  if (::stat(path.c_str(), &status) == -1 && (errno == ENOENT)) return false;
  check(::stat(path.c_str(), &status), "stat(\"{}\")", path);
  if (!S_ISDIR(status.st_mode)) throw std::runtime_error(fmt::format("the store {} is not a folder", path));
  if (::access(marker.c_str(), F_OK) == -1 && errno == ENOENT) {
    // Another process may have completed it in between.
    if (is_free(path) || ::access(marker.c_str(), F_OK) == 0) return ::access(marker.c_str(), F_OK) == 0;
    throw std::runtime_error(
        fmt::format("{} is not an image store: it has no {}, and is not empty either; choose another folder "
                    "with --store DIR",
                    path, kMarker));
  }
  const auto json = nlohmann::json::parse(read_document(file_source(marker)), nullptr, false);
  if (const int version = json.is_object() ? json.value("version", 0) : 0; version != kVersion) {
    throw std::runtime_error(
        fmt::format("the store {} is of version {}, this program knows version {}: use the program that made "
                    "it, or another "
                    "folder with --store DIR",
                    path, version, kVersion));
  }
  // The last thing that prepare() makes: whoever was killed before that has left nothing to be read yet.
  return ::access((path + "/images").c_str(), F_OK) == 0;
}

std::optional<StoredImage> stored_image(const Descriptor& descriptor) {
  const auto name = descriptor.annotations.find(kFullName);
  if (name == descriptor.annotations.end()) return std::nullopt;
  return StoredImage{ImageName::parse(name->second), descriptor};
}

bool before(const StoredImage& a, const StoredImage& b) {
  return a.name.canonical() < b.name.canonical();
}

}  // namespace

Descriptor named(const StoredImage& image) {
  Descriptor descriptor = image.manifest;
  descriptor.annotations = {{kFullName, image.name.canonical()}, {kReferenceName, image.name.familiar()}};
  return descriptor;
}

Store::Store(std::string path, Use use) : path_(std::move(path)), exists_(is_store(path_)), use_(use) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  if (exists_) lock();
}

void Store::lock() {
  if (use_ == Use::read_only) return;  // somebody else's: we leave no file in it
  try {
    make_directories(path_ + "/locks");
    lock_.emplace(path_ + "/locks/store",
                  use_ == Use::exclusive ? FileLock::Mode::exclusive : FileLock::Mode::shared);
  } catch (const std::system_error& error) {
    // On a medium that cannot be written, nobody takes anything away either.
    if (error.code().value() != EROFS || use_ == Use::exclusive) throw;
  }
}

void Store::prepare() {
  if (exists_) return;
  // For the owner's eyes only: an image's set-user-ID programs are not for the other users of this machine.
  make_directories(path_, 0700);
  replace_file(path_ + "/" + kMarker, nlohmann::json{{"version", kVersion}}.dump() + "\n");
  replace_file(path_ + "/oci-layout", "{\"imageLayoutVersion\": \"1.0.0\"}\n");
  for (const char* folder : {"blobs/sha256", "partial", "images"}) make_directories(path_ + "/" + folder);
  lock();
  exists_ = true;
}

std::vector<StoredImage> Store::images() const {
  std::vector<StoredImage> images;
  const std::string path = path_ + "/index.json";
  if (!exists_ || ::access(path.c_str(), F_OK) == -1) return images;
  for (const auto& descriptor : Index::parse(read_document(file_source(path))).manifests) {
    if (auto image = stored_image(descriptor)) images.push_back(std::move(*image));
  }
  std::sort(images.begin(), images.end(), before);
  return images;
}

std::optional<StoredImage> Store::find(const ImageName& name) const {
  for (auto& image : images()) {
    if (image.name == name) return image;
  }
  return std::nullopt;
}

void Store::write_index(const std::vector<StoredImage>& images) {
  Index index;
  for (const auto& image : images) index.manifests.push_back(named(image));
  replace_file(path_ + "/index.json", index.text() + "\n");
}

bool Store::add(const StoredImage& image) {
  prepare();
  const FileLock index_lock(path_ + "/locks/index", FileLock::Mode::exclusive);
  if (!has(image.manifest)) return false;
  const Manifest manifest = Manifest::parse(read(image.manifest));
  if (!has(manifest.config)) return false;
  for (const auto& layer : manifest.layers) {
    if (!has(layer)) return false;
  }
  auto all = images();
  std::erase_if(all, [&](const StoredImage& other) { return other.name == image.name; });
  all.push_back(image);
  std::sort(all.begin(), all.end(), before);
  write_index(all);
  return true;
}

void Store::remove(const ImageName& name) {
  const FileLock index_lock(path_ + "/locks/index", FileLock::Mode::exclusive);
  auto all = images();
  std::erase_if(all, [&](const StoredImage& image) { return image.name == name; });
  write_index(all);
}

bool Store::has(const Descriptor& blob) const {
  struct stat status {};
  return ::stat(blob_path(blob.digest).c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         static_cast<std::uint64_t>(status.st_size) == blob.size;
}

std::string Store::blob_path(const Digest& digest) const {
  return path_ + "/blobs/sha256/" + digest.hex();
}

std::vector<Digest> Store::blobs() const {
  std::vector<Digest> all;
  if (!exists_) return all;
  for (const auto& entry : fs::directory_iterator(path_ + "/blobs/sha256")) {
    all.push_back(Digest::parse("sha256:" + entry.path().filename().string()));
  }
  return all;
}

std::string Store::read(const Descriptor& document) const {
  const std::string text = read_document(open(document));
  if (digest_of(text) != document.digest) {
    throw std::runtime_error(
        fmt::format("{} is damaged: 'image verify' says which images need it", blob_path(document.digest)));
  }
  return text;
}

ByteSource Store::open(const Descriptor& blob) const {
  if (!has(blob)) {
    throw std::runtime_error(fmt::format("{} is missing or damaged: fetch the image again with 'image pull'",
                                         blob_path(blob.digest)));
  }
  return file_source(blob_path(blob.digest));
}

std::string Store::mark_path(const Digest& layer) const {
  return path_ + "/verified/" + layer.hex();
}

/// Files do get damaged later: a mark is about the file as it was, by the time of its last change, which no
/// program can set (inode(7), st_ctim).
std::string Store::mark_of(const Descriptor& layer, const Digest& diff_id) const {
  struct stat status {};
  const std::string path = blob_path(layer.digest);
  check(::stat(path.c_str(), &status), "stat(\"{}\")", path);
  return fmt::format("{} {}.{:09}", diff_id.string(), status.st_ctim.tv_sec, status.st_ctim.tv_nsec);
}

bool Store::is_verified(const Descriptor& layer, const Digest& diff_id) const {
  std::error_code unmarked;
  const auto mark = fs::read_symlink(mark_path(layer.digest), unmarked);
  return !unmarked && has(layer) && mark == mark_of(layer, diff_id);
}

void Store::note_verified(const Descriptor& layer, const Digest& diff_id) const {
  if (use_ == Use::read_only || is_verified(layer, diff_id)) return;
  // A symbolic link is made in one step, text and all, and no crash leaves the half of one.
  std::error_code ignored;
  fs::create_directories(path_ + "/verified", ignored);
  fs::remove(mark_path(layer.digest), ignored);
  fs::create_symlink(mark_of(layer, diff_id), mark_path(layer.digest), ignored);
}

std::set<Digest> Store::needed() const {
  std::set<Digest> digests;
  for (const auto& image : images()) {
    digests.insert(image.manifest.digest);
    if (!has(image.manifest)) continue;
    const Manifest manifest = Manifest::parse(read(image.manifest));
    digests.insert(manifest.config.digest);
    for (const auto& layer : manifest.layers) digests.insert(layer.digest);
  }
  return digests;
}

void Store::remove_unneeded(const std::vector<Digest>& blobs) {
  const FileLock index_lock(path_ + "/locks/index", FileLock::Mode::exclusive);
  const auto keep = needed();
  for (const auto& digest : blobs) {
    if (keep.contains(digest)) continue;
    ::unlink(blob_path(digest).c_str());
    ::unlink(mark_path(digest).c_str());
  }
}

void Store::note_added(const Digest& blob) {
  const std::lock_guard guard(added_mutex_);
  added_.push_back(blob);
}

void Store::keep_added() {
  added_.clear();
}

void Store::roll_back() {
  if (!added_.empty()) remove_unneeded(added_);
  added_.clear();
}

void Store::collect_garbage() {
  if (!exists_) return;
  for (const auto& entry : fs::directory_iterator(path_ + "/partial")) fs::remove(entry.path());
  for (const auto& entry : fs::directory_iterator(path_ + "/images")) {
    const std::string name = entry.path().filename();
    if (name.starts_with('.')) remove_tree(entry.path());  // of an unpack() that was killed
  }
  remove_unneeded(blobs());
}

}  // namespace workshop
