#include "common/tests/archive.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <stdexcept>

namespace workshop::testing {
namespace {

using Writer = std::unique_ptr<archive, int (*)(archive*)>;

void require(archive* writer, int result) {
  if (result != ARCHIVE_OK) throw std::runtime_error(::archive_error_string(writer));
}

long append(archive*, void* result, const void* bytes, std::size_t size) {
  static_cast<std::string*>(result)->append(static_cast<const char*>(bytes), size);
  return static_cast<long>(size);
}

Writer open_writer(const std::string& format, const std::string& filter, std::string& result) {
  Writer writer(::archive_write_new(), ::archive_write_free);
  require(writer.get(), ::archive_write_set_format_by_name(writer.get(), format.c_str()));
  if (filter != "none")
    require(writer.get(), ::archive_write_add_filter_by_name(writer.get(), filter.c_str()));
  require(writer.get(), ::archive_write_set_bytes_in_last_block(writer.get(), 1));
  require(writer.get(), ::archive_write_open(writer.get(), &result, nullptr, append, nullptr));
  return writer;
}

void describe(archive_entry* described, const Entry& entry) {
  constexpr unsigned kTypes[] = {S_IFREG, S_IFDIR, S_IFLNK, S_IFREG, S_IFIFO, S_IFCHR, S_IFBLK};
  ::archive_entry_set_pathname(described, entry.name.c_str());
  ::archive_entry_set_filetype(described, kTypes[entry.type]);
  ::archive_entry_set_perm(described, entry.mode);
  ::archive_entry_set_uid(described, entry.uid);
  ::archive_entry_set_gid(described, entry.gid);
  ::archive_entry_set_mtime(described, entry.seconds, entry.nanoseconds);
  if (entry.type == Entry::file)
    ::archive_entry_set_size(described, static_cast<std::int64_t>(entry.text.size()));
  if (entry.type == Entry::link) ::archive_entry_set_symlink(described, entry.text.c_str());
  if (entry.type == Entry::hard_link) ::archive_entry_set_hardlink(described, entry.text.c_str());
  if (entry.type == Entry::character_device) ::archive_entry_set_rdev(described, makedev(1, 3));
  if (entry.type == Entry::block_device) ::archive_entry_set_rdev(described, makedev(259, 70000));
  for (const auto& [name, value] : entry.attributes) {
    ::archive_entry_xattr_add_entry(described, name.c_str(), value.data(), value.size());
  }
}

}  // namespace

std::string make_layer(const std::vector<Entry>& entries, const std::string& format,
                       const std::string& filter) {
  std::string result;
  const Writer writer = open_writer(format, filter, result);
  for (const auto& entry : entries) {
    const std::unique_ptr<archive_entry, void (*)(archive_entry*)> described(::archive_entry_new(),
                                                                             ::archive_entry_free);
    describe(described.get(), entry);
    require(writer.get(), ::archive_write_header(writer.get(), described.get()));
    if (entry.type == Entry::file) ::archive_write_data(writer.get(), entry.text.data(), entry.text.size());
  }
  require(writer.get(), ::archive_write_close(writer.get()));
  return result;
}

std::string compress(const std::string& bytes, const std::string& filter) {
  std::string result;
  const Writer writer = open_writer("raw", filter, result);
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(::archive_entry_new(),
                                                                       ::archive_entry_free);
  ::archive_entry_set_filetype(entry.get(), S_IFREG);
  require(writer.get(), ::archive_write_header(writer.get(), entry.get()));
  ::archive_write_data(writer.get(), bytes.data(), bytes.size());
  require(writer.get(), ::archive_write_close(writer.get()));
  return result;
}

ByteSource source_of(const std::string& bytes, std::size_t piece) {
  return [&bytes, piece, offset = std::size_t{0}](std::span<std::byte> output) mutable {
    const std::size_t count = std::min({piece, output.size(), bytes.size() - offset});
    std::memcpy(output.data(), bytes.data() + offset, count);
    offset += count;
    return count;
  };
}

}  // namespace workshop::testing
