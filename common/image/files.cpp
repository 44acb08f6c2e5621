#include "common/image/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <memory>
#include <vector>

#include "common/image/interrupt.hpp"
#include "common/image/manifest.hpp"
#include "common/sys/error.hpp"

namespace workshop {

ByteSource file_source(const std::string& path) {
  const auto file =
      std::make_shared<unique_fd>(check(::open(path.c_str(), O_RDONLY | O_CLOEXEC), "open(\"{}\")", path));
  return [file, path](std::span<std::byte> buffer) -> std::size_t {
    for (;;) {
      throw_if_interrupted();
      const auto count = ::read(file->get(), buffer.data(), buffer.size());
      if (count == -1 && errno == EINTR) continue;
      return check(count, "read(\"{}\")", path);
    }
  };
}

std::string read_document(const ByteSource& source) {
  std::string text(64 << 10, '\0');
  std::size_t size = 0;
  for (;;) {
    const std::size_t count = source(std::as_writable_bytes(std::span(text)).subspan(size));
    if (count == 0) break;
    size += count;
    if (size > kMaxDocument)
      throw std::runtime_error(fmt::format("a document is larger than {} MiB", kMaxDocument >> 20));
    if (size == text.size()) text.resize(2 * size);
  }
  text.resize(size);
  return text;
}

void make_directories(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return;
  const auto slash = path.rfind('/');
  if (errno != ENOENT || slash == 0 || slash == std::string::npos)
    throw_error(errno, fmt::format("mkdir(\"{}\")", path));
  make_directories(path.substr(0, slash));
  if (::mkdir(path.c_str(), mode) == -1 && errno != EEXIST)
    throw_error(errno, fmt::format("mkdir(\"{}\")", path));
}

void write_all(int file, std::span<const std::byte> bytes, const std::string& path) {
  while (!bytes.empty()) {
    const auto count = ::write(file, bytes.data(), bytes.size());
    if (count == -1 && errno == EINTR) {
      throw_if_interrupted();
      continue;
    }
    bytes = bytes.subspan(check(count, "write(\"{}\")", path));
  }
}

void replace_file(const std::string& path, std::string_view content) {
  const std::string temporary = fmt::format("{}.{}", path, ::getpid());
  try {
    const unique_fd file(check(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644),
                               "open(\"{}\")", temporary));
    write_all(file.get(), bytes_of(content), temporary);
    check(::fdatasync(file.get()), "fdatasync(\"{}\")", temporary);
    check(::rename(temporary.c_str(), path.c_str()), "rename(\"{}\", \"{}\")", temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text));
}

Digest digest_of(std::string_view text) {
  Hasher hasher;
  hasher.update(bytes_of(text));
  return hasher.finish();
}

Digest digest_of(const ByteSource& source) {
  Hasher hasher;
  std::vector<std::byte> buffer(1 << 20);
  while (const std::size_t count = source(buffer)) hasher.update(std::span(buffer).first(count));
  return hasher.finish();
}

}  // namespace workshop
