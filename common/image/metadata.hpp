#pragma once

#include <sys/types.h>
#include <time.h>

#include <array>

struct archive_entry;

namespace workshop {

struct ExtractionNotices;

/// What a file has beside its contents, as the entry of an archive says. Directories get their times apart,
/// when nothing in them changes any more.
class Metadata {
 public:
  /// `notices` is where it is noted what could not be given.
  Metadata(archive_entry* entry, ExtractionNotices& notices) : entry_(entry), notices_(notices) {}

  /// Gives `fd` owner, mode and extended attributes, in this order: chown(2) clears set-user-ID bits and
  /// capabilities. A directory that was there before loses the attributes that it had. `fd` may be opened
  /// with O_PATH (fifos, devices, symbolic links). `more` are permissions it gets for now, beside those of
  /// the entry.
  void apply(int fd, mode_t more = 0) const;

  /// Gives `fd` the times of the entry.
  void apply_times(int fd) const;

  /// Permissions, set-user-ID, set-group-ID and sticky bit.
  mode_t mode() const;

  /// Access and modification time. An archive that has no access time, the usual one, gets the same for both.
  std::array<timespec, 2> times() const;

 private:
  void apply_owner(int fd) const;
  void apply_mode(int fd, mode_t more) const;
  void apply_xattrs(int fd) const;

  archive_entry* entry_;
  ExtractionNotices& notices_;
};

}  // namespace workshop
