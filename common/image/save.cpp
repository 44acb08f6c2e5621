#include "common/image/save.hpp"

#include <fcntl.h>
#include <unistd.h>

#include "common/image/tar_writer.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// The bytes of a blob; at their end it throws if they are not those of its digest.
ByteSource verified(const Image& image, const Descriptor& blob) {
  return [source = image.store->open(blob), hasher = std::make_shared<Hasher>(),
          blob](std::span<std::byte> buffer) {
    const std::size_t count = source(buffer);
    hasher->update(buffer.first(count));
    if (count == 0 && hasher->finish() != blob.digest) {
      throw std::runtime_error(
          fmt::format("{} is damaged in the store: 'image verify' says what to do", blob.digest.string()));
    }
    return count;
  };
}

void write(TarWriter& tar, const std::vector<Image>& images) {
  Index index;
  std::map<Digest, std::pair<const Image*, Descriptor>> blobs;  // each once, in order
  for (const auto& image : images) {
    index.manifests.push_back(named(image.stored));
    blobs.insert({image.stored.manifest.digest, {&image, image.stored.manifest}});
    blobs.insert({image.manifest.config.digest, {&image, image.manifest.config}});
    for (const auto& layer : image.manifest.layers) blobs.insert({layer.digest, {&image, layer}});
  }
  tar.add(TarEntry::file("oci-layout", "{\"imageLayoutVersion\": \"1.0.0\"}\n"));
  tar.add(TarEntry::file("index.json", index.text() + "\n"));
  tar.add(TarEntry::folder("blobs"));
  tar.add(TarEntry::folder("blobs/sha256"));
  for (const auto& [digest, blob] : blobs) {
    tar.add_file("blobs/sha256/" + digest.hex(), blob.second.size, verified(*blob.first, blob.second));
  }
  tar.finish();
}

}  // namespace

void save(const std::vector<Image>& images, const std::string& path) {
  const std::string temporary = fmt::format("{}.{}", path, ::getpid());
  const unique_fd file(check(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644),
                             "open(\"{}\")", temporary));
  try {
    TarWriter tar([&](std::span<const std::byte> bytes) { write_all(file.get(), bytes, temporary); });
    write(tar, images);
    check(::fdatasync(file.get()), "fdatasync(\"{}\")", temporary);
    check(::rename(temporary.c_str(), path.c_str()), "rename(\"{}\", \"{}\")", temporary, path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

}  // namespace workshop
