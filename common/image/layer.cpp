#include "common/image/layer.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "common/image/destination.hpp"
#include "common/image/entry_name.hpp"
#include "common/image/metadata.hpp"
#include "common/image/tar_reader.hpp"
#include "common/image/unpacking.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

[[noreturn]] void throw_refused(const EntryName& name, const char* why) {
  throw std::runtime_error(fmt::format("layer entry \"{}\" {}: the layer is refused", name.path(), why));
}

bool is_same_file(int directory, const std::string& name, int other_directory, const std::string& other) {
  struct stat first {
  }, second{};
  return ::fstatat(directory, name.c_str(), &first, AT_SYMLINK_NOFOLLOW) == 0 &&
         ::fstatat(other_directory, other.c_str(), &second, AT_SYMLINK_NOFOLLOW) == 0 &&
         first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

}  // namespace

/// One entry of a layer after the other, each made from nothing: what has its name is removed before, never
/// written to or changed. So a hard link cannot pass anything on to the file it shares.
struct Extraction::State {
  Destination destination;
  ExtractionLimits limits;
  ExtractionNotices notices{};
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;

  std::span<const std::byte> next_block(Unpacking& unpacking) {
    const auto block = unpacking.next();
    bytes += block.size();
    if (bytes > limits.bytes) throw_too_large();
    return block;
  }

  [[noreturn]] void throw_too_large() const {
    throw LimitExceeded(fmt::format("the image unpacks to more than {} MiB", limits.bytes >> 20));
  }

  void apply(Unpacking& unpacking) {
    destination.begin_layer();
    TarReader tar([&] { return next_block(unpacking); });
    while (archive_entry* entry = tar.next()) apply(tar, entry);
    while (!next_block(unpacking).empty()) {
      // The archive has ended; the digest is of these bytes too, and so are the check sums of the
      // compression.
    }
  }

  void apply(TarReader& tar, archive_entry* entry) {
    EntryName name = EntryName::parse(::archive_entry_pathname(entry));
    switch (parse_whiteout(name)) {
      case EntryKind::whiteout:
        destination.hide(name);
        break;
      case EntryKind::opaque_whiteout:
        destination.hide_contents(name);
        break;
      case EntryKind::aufs_metadata:
        break;
      case EntryKind::file:
        make(tar, entry, name);
        break;
    }
    if (++entries + destination.implicit_directories() > limits.entries)
      throw std::runtime_error(
          fmt::format("the image has more than {} files: it is refused", limits.entries));
    if (destination.remembered() > limits.names)
      throw std::runtime_error(
          fmt::format("the image has names of more than {} MiB: it is refused", limits.names >> 20));
  }

  void make(TarReader& tar, archive_entry* entry, const EntryName& name) {
    if (const char* target = ::archive_entry_hardlink(entry))
      return make_hard_link(name, EntryName::parse(target));
    switch (::archive_entry_filetype(entry)) {
      case AE_IFREG:
        return make_file(tar, entry, name);
      case AE_IFDIR:
        return make_directory(entry, name);
      case AE_IFLNK:
      case AE_IFIFO:
      case AE_IFCHR:
      case AE_IFBLK:
        return make_special(entry, name);
      default:
        return;  // sockets: only a running program can make use of one
    }
  }

  void make_file(TarReader& tar, archive_entry* entry, const EntryName& name) {
    const unique_fd file(
        check(make_entry(name,
                         [&](int directory) {
                           constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
                           return ::openat(directory, name.name.c_str(), kFlags, S_IRUSR | S_IWUSR);
                         }),
              "openat(\"{}\")", name.path()));
    write_data(tar, entry, file.get());
    const Metadata metadata(entry, notices);
    metadata.apply(file.get());
    metadata.apply_times(file.get());
  }

  void write_data(TarReader& tar, archive_entry* entry, int file) {
    const std::int64_t size = ::archive_entry_size(entry);
    if (size > 0 && static_cast<std::uint64_t>(size) > limits.bytes) throw_too_large();
    std::int64_t end = 0;
    for (TarReader::Piece piece; size > 0 && tar.read(piece);) {
      while (!piece.bytes.empty()) {
        const auto count = check(::pwrite(file, piece.bytes.data(), piece.bytes.size(), piece.offset),
                                 "write(\"{}\")", ::archive_entry_pathname(entry));
        piece.bytes = piece.bytes.subspan(static_cast<std::size_t>(count));
        piece.offset += count;
      }
      end = std::max(end, piece.offset);
    }
    if (end < size) check(::ftruncate(file, size), "ftruncate(\"{}\")", ::archive_entry_pathname(entry));
  }

  void make_directory(archive_entry* entry, const EntryName& name) {
    const auto directory = destination.make_directory(name);
    const Metadata metadata(entry, notices);
    metadata.apply(directory->fd.get(), S_IRWXU);
    directory->times = metadata.times();
    destination.set_mode_later(name, *directory, metadata.mode());
  }

  void make_hard_link(const EntryName& name, const EntryName& target) {
    const auto from = destination.find(target.directory);
    if (!from) errno = ENOENT;
    const int result = !from ? -1 : make_entry(name, [&](int directory) {
      if (::linkat(from->fd.get(), target.name.c_str(), directory, name.name.c_str(), 0) == 0) return 0;
      const int error = errno;
      if (error == EEXIST && is_same_file(from->fd.get(), target.name, directory, name.name)) return 0;
      errno = error;
      return -1;
    });
    check(result, "linkat(\"{}\", \"{}\")", target.path(), name.path());
  }

  /// Symbolic links, fifos and devices: what is not opened but with O_PATH.
  void make_special(archive_entry* entry, const EntryName& name) {
    const unique_fd file(make_entry(name, [&](int directory) {
      const char* const path = name.name.c_str();
      const bool is_link = ::archive_entry_filetype(entry) == AE_IFLNK;
      const int result = is_link
                             ? ::symlinkat(link_target(entry), directory, path)
                             : ::mknodat(directory, path, ::archive_entry_filetype(entry) | S_IRUSR | S_IWUSR,
                                         ::archive_entry_rdev(entry));
      return result == -1 ? -1 : ::openat(directory, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    }));
    const auto type = ::archive_entry_filetype(entry);
    if (!file && errno == EPERM && (type == AE_IFCHR || type == AE_IFBLK)) {
      ++notices.devices_left_out;
      return;
    }
    check(file.get(), "{}(\"{}\")", type == AE_IFLNK ? "symlinkat" : "mknodat", name.path());
    struct stat status {};
    check(::fstat(file.get(), &status), "fstat(\"{}\")", name.path());
    if ((status.st_mode & S_IFMT) != type || status.st_nlink != 1)
      throw_refused(name, "was replaced meanwhile");
    const Metadata metadata(entry, notices);
    metadata.apply(file.get());
    metadata.apply_times(file.get());
  }

  static const char* link_target(archive_entry* entry) {
    const char* target = ::archive_entry_symlink(entry);
    return target != nullptr ? target : "";
  }

  int make_entry(const EntryName& name, const std::function<int(int directory)>& make) {
    if (name.name.empty()) throw_refused(name, "has the root file system not be a directory");
    return destination.make(name, make);
  }
};

Extraction::Extraction(const std::string& destination, const ExtractionLimits& limits)
    : state_(new State{Destination(destination), limits}) {}

Extraction::~Extraction() = default;

Digest Extraction::apply(const ByteSource& compressed) {
  Unpacking unpacking(compressed, Unpacking::Hash::yes);
  state_->apply(unpacking);
  return unpacking.digest();
}

void Extraction::apply_verified(const ByteSource& compressed) {
  Unpacking unpacking(compressed, Unpacking::Hash::no);
  state_->apply(unpacking);
}

const ExtractionNotices& Extraction::finish() {
  state_->destination.finish();
  return state_->notices;
}

}  // namespace workshop
