#include "common/image/tar_reader.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// More than libarchive may read for one header, or for one piece of data: it keeps all of it in memory.
constexpr std::size_t kMostBytesInCall = 4 << 20;

/// In the C locale libarchive leaves names as they are: bytes, as the kernel has them. In others it converts
/// them.
class CLocale {
 public:
  CLocale() : c_(::newlocale(LC_ALL_MASK, "C", nullptr)), before_(::uselocale(c_)) {}
  ~CLocale() {
    ::uselocale(before_);
    ::freelocale(c_);
  }
  CLocale(const CLocale&) = delete;
  CLocale& operator=(const CLocale&) = delete;

 private:
  locale_t c_, before_;
};

bool succeeded(int result) {
  return result == ARCHIVE_OK || result == ARCHIVE_WARN;
}

/// A hard link to a name that is not UTF-8, in a pax header: libarchive 3.6 loses it and leaves an entry of
/// no type.
bool is_lost_link(archive_entry* entry) {
  return ::archive_entry_filetype(entry) == 0 && ::archive_entry_hardlink(entry) == nullptr;
}

}  // namespace

TarReader::TarReader(Blocks blocks)
    : blocks_(std::move(blocks)), archive_(::archive_read_new(), ::archive_read_free) {
  if (!archive_) throw std::bad_alloc();
  ::archive_read_support_format_tar(archive_.get());
  ::archive_read_support_format_empty(archive_.get());
  if (::archive_read_open(archive_.get(), this, nullptr, read_block, nullptr) != ARCHIVE_OK) throw_broken();
}

TarReader::~TarReader() = default;

archive_entry* TarReader::next() {
  const CLocale locale;
  skipping_ = true;
  if (!entry_.empty() && !succeeded(::archive_read_data_skip(archive_.get()))) throw_broken();
  skipping_ = false;
  bytes_in_call_ = 0;
  archive_entry* entry = nullptr;
  const int result = ::archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) return nullptr;
  if (!succeeded(result)) throw_broken();
  const char* name = ::archive_entry_pathname(entry);
  entry_ = name != nullptr ? name : "";
  if (entry_.empty()) throw std::runtime_error("layer has an entry without a name: the layer is refused");
  if (is_lost_link(entry)) {
    throw std::runtime_error(fmt::format("layer entry \"{}\": the name it links to cannot be read", entry_));
  }
  return entry;
}

bool TarReader::read(Piece& piece) {
  bytes_in_call_ = 0;
  const void* bytes = nullptr;
  std::size_t size = 0;
  const int result = ::archive_read_data_block(archive_.get(), &bytes, &size, &piece.offset);
  if (result == ARCHIVE_EOF) return false;
  if (!succeeded(result)) throw_broken();
  piece.bytes = {static_cast<const std::byte*>(bytes), size};
  return true;
}

long TarReader::read_block(archive* reader, void* self, const void** buffer) {
  auto& tar = *static_cast<TarReader*>(self);
  try {
    if (!tar.skipping_ && tar.bytes_in_call_ > kMostBytesInCall) {
      throw std::runtime_error(fmt::format("layer has a header of more than {} MiB: the layer is refused",
                                           kMostBytesInCall >> 20));
    }
    const auto block = tar.blocks_();
    tar.bytes_in_call_ += block.size();
    *buffer = block.data();
    return static_cast<long>(block.size());
  } catch (...) {
    tar.error_ = std::current_exception();
    ::archive_set_error(reader, EIO, "reading failed");
    return ARCHIVE_FATAL;
  }
}

void TarReader::throw_broken() const {
  if (error_) std::rethrow_exception(error_);
  const char* reason = ::archive_error_string(archive_.get());
  const std::string where = entry_.empty() ? "" : fmt::format(" (at or after \"{}\")", entry_);
  throw std::runtime_error(fmt::format("layer is not a tar archive, or truncated or damaged{}: {}", where,
                                       reason != nullptr ? reason : "no reason given"));
}

}  // namespace workshop
