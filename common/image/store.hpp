#pragma once

#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/image/byte_source.hpp"
#include "common/image/file_lock.hpp"
#include "common/image/files.hpp"
#include "common/image/manifest.hpp"
#include "common/image/name.hpp"

namespace workshop {

/// An image of the store: its name and the descriptor of its manifest.
struct StoredImage {
  ImageName name;
  Descriptor manifest;
};

/// The images on disk. The folder is an OCI image layout (image-layout.md: oci-layout, index.json, blobs/),
/// so other tools can read it, with our own beside it; README.md has the picture.
///
/// Any number of processes may use a store at once. A blob gets its name only when it is complete and
/// verified, the index is replaced by rename(2), and whoever takes blobs away waits for everybody else to be
/// done.
class Store {
 public:
  enum class Use { shared, exclusive, read_only };

  /// Opens the store at `path`. A store that is not there yet is empty, and made by prepare(). Throws
  /// std::runtime_error if `path` is something else than a store, or a store of another version.
  explicit Store(std::string path, Use use = Use::shared);

  const std::string& path() const { return path_; }

  /// Makes the store if it is not there yet. Whatever changes it calls this first.
  void prepare();

  std::vector<StoredImage> images() const;
  std::optional<StoredImage> find(const ImageName& name) const;

  /// Adds an image or replaces the one of that name. Returns false, and changes nothing, if a blob of it is
  /// not there (any more).
  bool add(const StoredImage& image);

  /// Takes an image out of the index. Its blobs stay until collect_garbage().
  void remove(const ImageName& name);

  /// Whether the blob is there, with the size the descriptor has.
  bool has(const Descriptor& blob) const;
  std::string blob_path(const Digest& digest) const;

  /// All blobs that are there.
  std::vector<Digest> blobs() const;

  /// The bytes of a document, verified. Throws std::runtime_error if it is missing or damaged, or over
  /// kMaxDocument.
  std::string read(const Descriptor& document) const;

  /// The bytes of a blob, not verified: for a layer, the diff_id is.
  ByteSource open(const Descriptor& blob) const;

  /// Whether that layer, as it is on disk now, was once unpacked to that diff_id.
  bool is_verified(const Descriptor& layer, const Digest& diff_id) const;

  /// It was. Of use to a later program only: where the store cannot be written, nothing happens.
  void note_verified(const Descriptor& layer, const Digest& diff_id) const;

  /// Remembers a blob that this process brought. From any thread.
  void note_added(const Digest& blob);

  /// What was brought so far stays, whatever happens: the next pull need not fetch it again.
  void keep_added();

  /// After a failure: removes those again, except what some image (of another process by now) needs.
  void roll_back();

  /// Removes all blobs that no image needs, and what unfinished pulls and unpackings left. Only with
  /// Use::exclusive.
  void collect_garbage();

 private:
  void lock();
  std::string mark_path(const Digest& layer) const;
  std::string mark_of(const Descriptor& layer, const Digest& diff_id) const;
  void write_index(const std::vector<StoredImage>& images);
  std::set<Digest> needed() const;
  void remove_unneeded(const std::vector<Digest>& blobs);

  std::string path_;
  bool exists_ = false;
  Use use_;
  std::optional<FileLock> lock_;
  std::mutex added_mutex_;
  std::vector<Digest> added_;
};

/// The image's descriptor as it stands in an index, with its name in the annotations that other tools know.
Descriptor named(const StoredImage& image);

}  // namespace workshop
