#include "common/image/tar_writer.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

namespace workshop {
namespace {

using Entry = std::unique_ptr<archive_entry, decltype(&archive_entry_free)>;

}  // namespace

TarWriter::TarWriter(Sink sink) : sink_(std::move(sink)), archive_(archive_write_new()) {
  archive_write_set_format_pax_restricted(archive_);
  archive_write_set_bytes_per_block(archive_, 64 << 10);
  archive_write_set_bytes_in_last_block(archive_, 1);
  const auto write = [](::archive*, void* self, const void* buffer, std::size_t size) -> la_ssize_t {
    auto& writer = *static_cast<TarWriter*>(self);
    try {
      writer.sink_(std::span(static_cast<const std::byte*>(buffer), size));
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      writer.failure_ = std::current_exception();
      return -1;
    }
  };
  archive_write_open(archive_, this, nullptr, write, nullptr);
}

TarWriter::~TarWriter() {
  archive_write_fail(archive_);  // or it would write the end of the archive
  archive_write_free(archive_);
}

void TarWriter::require(int result) {
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  if (result < ARCHIVE_WARN)
    throw std::runtime_error(std::string("cannot write a tar archive: ") + archive_error_string(archive_));
}

void TarWriter::add_header(const TarEntry& entry, std::uint64_t size) {
  const Entry header(archive_entry_new(), archive_entry_free);
  archive_entry_set_pathname(header.get(), entry.path.c_str());
  archive_entry_set_mode(header.get(), entry.mode);
  archive_entry_set_uid(header.get(), 0);
  archive_entry_set_gid(header.get(), entry.group);
  archive_entry_set_mtime(header.get(), 0, 0);
  if (S_ISLNK(entry.mode)) archive_entry_set_symlink(header.get(), entry.content.c_str());
  if (S_ISREG(entry.mode)) archive_entry_set_size(header.get(), static_cast<la_int64_t>(size));
  require(archive_write_header(archive_, header.get()));
}

void TarWriter::write(std::span<const std::byte> bytes) {
  const auto count = archive_write_data(archive_, bytes.data(), bytes.size());
  require(count < 0 ? ARCHIVE_FATAL : ARCHIVE_OK);
}

void TarWriter::add(const TarEntry& entry) {
  add_header(entry, entry.content.size());
  if (S_ISREG(entry.mode)) write(std::as_bytes(std::span(entry.content)));
}

void TarWriter::add_file(const std::string& path, std::uint64_t size, const ByteSource& content) {
  add_header({S_IFREG | 0644, path, ""}, size);
  std::vector<std::byte> buffer(1 << 20);
  while (const std::size_t count = content(buffer)) write(std::span(buffer).first(count));
}

void TarWriter::finish() {
  require(archive_write_close(archive_));
}

}  // namespace workshop
