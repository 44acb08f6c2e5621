#include "common/image/metadata.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "common/image/layer.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// Attributes that mean something to this machine and not to the image.
constexpr std::string_view kNotTheImages[] = {
    "security.selinux", "security.ima",  "security.evm",  // the host's policy and keys
    "trusted.overlay.", "user.overlay.",  // would redirect lookups where overlayfs has it as a layer
};

/// What chmod(2) and setxattr(2) take for a descriptor opened with O_PATH (proc_pid_fd(5)).
std::string magic_link(int fd) {
  return "/proc/self/fd/" + std::to_string(fd);
}

/// An id, or -1 for one that no file of Linux has, as base-256 numbers in archives may be.
std::int64_t valid_id(std::int64_t id) {
  return id >= 0 && id < std::numeric_limits<uid_t>::max() ? id : -1;
}

timespec time_of(time_t seconds, long nanoseconds) {
  // "-1.25" libarchive reads as -1 s and 0.25 s.
  if (seconds < 0 && nanoseconds > 0) return {seconds - 1, 1'000'000'000 - nanoseconds};
  return {seconds, nanoseconds};
}

bool is_the_images(std::string_view attribute) {
  for (const auto prefix : kNotTheImages) {
    if (attribute.starts_with(prefix)) return false;
  }
  return true;
}

/// "The existing path's attributes MUST be replaced" (layer.md): a lower layer's go, the host's stay.
void clear_xattrs(int fd) {
  const auto size = ::flistxattr(fd, nullptr, 0);
  if (size <= 0) return;  // nearly always; or this file system has none
  std::vector<char> names(static_cast<std::size_t>(size));
  const auto length = ::flistxattr(fd, names.data(), names.size());
  for (const char* name = names.data(); name < names.data() + length; name += std::strlen(name) + 1) {
    if (is_the_images(name)) ::fremovexattr(fd, name);
  }
}

bool is_refusal(int error) {
  return error == EPERM || error == EACCES || error == ENOTSUP || error == EINVAL;
}

}  // namespace

void Metadata::apply(int fd, mode_t more) const {
  apply_owner(fd);
  if (::archive_entry_filetype(entry_) != AE_IFLNK) apply_mode(fd, more);  // those of links are all 0777
  if (::archive_entry_filetype(entry_) == AE_IFDIR) clear_xattrs(fd);
  apply_xattrs(fd);
}

void Metadata::apply_times(int fd) const {
  check(::utimensat(fd, "", times().data(), AT_EMPTY_PATH), "utimensat(\"{}\")",
        ::archive_entry_pathname(entry_));
}

mode_t Metadata::mode() const {
  return ::archive_entry_perm(entry_) & 07777;
}

std::array<timespec, 2> Metadata::times() const {
  const timespec modified = time_of(::archive_entry_mtime(entry_), ::archive_entry_mtime_nsec(entry_));
  if (!::archive_entry_atime_is_set(entry_)) return {modified, modified};
  return {time_of(::archive_entry_atime(entry_), ::archive_entry_atime_nsec(entry_)), modified};
}

void Metadata::apply_owner(int fd) const {
  const auto uid = valid_id(::archive_entry_uid(entry_));
  const auto gid = valid_id(::archive_entry_gid(entry_));
  if (::geteuid() != 0) {
    if (uid != ::geteuid() || gid != ::getegid()) notices_.owners_left_out = true;
    return;
  }
  const bool valid = uid != -1 && gid != -1;
  if (valid && ::fchownat(fd, "", static_cast<uid_t>(uid), static_cast<gid_t>(gid), AT_EMPTY_PATH) == 0)
    return;
  // EINVAL: an id that our user namespace does not map (user_namespaces(7)).
  if (valid && errno != EPERM && errno != EINVAL) {
    throw_error(errno, fmt::format("fchownat(\"{}\", {}, {})", ::archive_entry_pathname(entry_), uid, gid));
  }
  notices_.owners_left_out = true;
}

void Metadata::apply_mode(int fd, mode_t more) const {
  mode_t bits = mode() | more;
  if (bits & (S_ISUID | S_ISGID)) {
    // A program that was to run as somebody else must not run as us because we could not give it away.
    struct stat status {};
    check(::fstat(fd, &status), "fstat(\"{}\")", ::archive_entry_pathname(entry_));
    if (status.st_uid != ::archive_entry_uid(entry_)) bits &= ~static_cast<mode_t>(S_ISUID);
    if (status.st_gid != ::archive_entry_gid(entry_)) bits &= ~static_cast<mode_t>(S_ISGID);
  }
  if (::fchmod(fd, bits) == 0) return;
  if (errno == EBADF) {
    check(::chmod(magic_link(fd).c_str(), bits), "chmod(\"{}\", {:o})", ::archive_entry_pathname(entry_),
          bits);
    return;
  }
  throw_error(errno, fmt::format("fchmod(\"{}\", {:o})", ::archive_entry_pathname(entry_), bits));
}

void Metadata::apply_xattrs(int fd) const {
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  ::archive_entry_xattr_reset(entry_);
  while (::archive_entry_xattr_next(entry_, &name, &value, &size) == ARCHIVE_OK) {
    if (!is_the_images(name) || ::setxattr(magic_link(fd).c_str(), name, value, size, 0) == 0) continue;
    if (!is_refusal(errno)) {
      throw_error(errno, fmt::format("setxattr(\"{}\", \"{}\")", ::archive_entry_pathname(entry_), name));
    }
    ++notices_.xattrs_left_out;
  }
}

}  // namespace workshop
