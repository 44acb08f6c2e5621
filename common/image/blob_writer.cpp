#include "common/image/blob_writer.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "common/image/interrupt.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// Whether `path` still is the file we have open: whoever held its lock before us may have moved it to its
/// place.
bool is_same_file(int file, const std::string& path) {
  struct stat ours {};
  struct stat theirs {};
  check(::fstat(file, &ours), "fstat(\"{}\")", path);
  return ::stat(path.c_str(), &theirs) == 0 && ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

}  // namespace

std::string BlobWriter::path_of(const Store& store, const Descriptor& expected) {
  return store.path() + "/partial/" + expected.digest.hex();
}

bool BlobWriter::is_begun(const Store& store, const Descriptor& expected) {
  struct stat status {};
  return ::stat(path_of(store, expected).c_str(), &status) == 0 && status.st_size > 0;
}

BlobWriter::BlobWriter(Store& store) : store_(store) {
  store_.prepare();
  path_ = store_.path() + "/partial/new-XXXXXX";
  file_.reset(check(::mkostemp(path_.data(), O_CLOEXEC), "mkostemp(\"{}\")", path_));
}

BlobWriter::BlobWriter(Store& store, const Descriptor& expected, const LockWait& wait)
    : store_(store), expected_(expected) {
  store_.prepare();
  path_ = path_of(store, expected);
  complete_ = store_.has(expected);
  if (!complete_) open_partial(wait);
}

BlobWriter::~BlobWriter() {
  if (file_ && !keep_) ::unlink(path_.c_str());
}

void BlobWriter::open_partial(const LockWait& wait) {
  do {
    file_.reset(check(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644), "open(\"{}\")", path_));
    lock_file(file_.get(), LOCK_EX, path_, wait);
    complete_ = store_.has(*expected_);
    if (complete_) {
      if (is_same_file(file_.get(), path_)) ::unlink(path_.c_str());
      file_.reset();
      return;
    }
  } while (!is_same_file(file_.get(), path_));
  rehash();
}

void BlobWriter::rehash() {
  const ByteSource source = file_source(path_);
  std::vector<std::byte> buffer(1 << 20);
  while (const std::size_t count = source(buffer)) {
    hasher_.update(std::span(buffer).first(count));
    size_ += count;
  }
  check(::lseek(file_.get(), 0, SEEK_END), "lseek(\"{}\")", path_);
  if (size_ > expected_->size) restart();
  resumed_ = size_ > 0;
}

void BlobWriter::restart() {
  check(::ftruncate(file_.get(), 0), "ftruncate(\"{}\")", path_);
  check(::lseek(file_.get(), 0, SEEK_SET), "lseek(\"{}\")", path_);
  hasher_ = Hasher();
  size_ = 0;
  resumed_ = false;
}

void BlobWriter::write(std::span<const std::byte> bytes) {
  throw_if_interrupted();
  if (expected_ && bytes.size() > expected_->size - size_) {
    throw std::runtime_error(fmt::format("more bytes came for {} than the {} it should have",
                                         expected_->digest.string(), expected_->size));
  }
  write_all(file_.get(), bytes, path_);
  hasher_.update(bytes);
  size_ += bytes.size();
}

Descriptor BlobWriter::commit() {
  Descriptor descriptor{"", hasher_.finish(), size_};
  keep_ = false;
  if (expected_ && size_ != expected_->size) {
    throw WrongBlob(
        fmt::format("wrong size: {} bytes came for {}, which should have {}; they were thrown away", size_,
                    expected_->digest.string(), expected_->size),
        resumed_);
  }
  if (expected_ && descriptor.digest != expected_->digest) {
    throw WrongBlob(
        fmt::format("wrong digest: what came for {} has {}; it was thrown away, try again or get the image "
                    "from somewhere else",
                    expected_->digest.string(), descriptor.digest.string()),
        resumed_);
  }
  const std::string place = store_.blob_path(descriptor.digest);
  check(::fchmod(file_.get(), 0644), "fchmod(\"{}\")", path_);
  check(::fdatasync(file_.get()), "fdatasync(\"{}\")", path_);
  const bool is_new = !store_.has(descriptor);
  check(::rename(path_.c_str(), place.c_str()), "rename(\"{}\", \"{}\")", path_, place);
  file_.reset();
  if (is_new) store_.note_added(descriptor.digest);
  return descriptor;
}

Descriptor write_blob(Store& store, std::string_view content, const std::string& media_type) {
  BlobWriter writer(store);
  writer.write(bytes_of(content));
  Descriptor descriptor = writer.commit();
  descriptor.media_type = media_type;
  return descriptor;
}

}  // namespace workshop
