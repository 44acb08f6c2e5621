#include <archive_entry.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/image/blob_writer.hpp"
#include "common/image/import_formats.hpp"
#include "common/image/inflate.hpp"
#include "common/image/tar_reader.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// Reads all of an archive, so that a damaged or truncated one is noticed now. A complete one ends in blocks
/// of zeros.
void require_complete(const std::string& path) {
  const ByteSource tar = inflate(file_source(path));
  std::vector<std::byte> block(1 << 20);
  std::span<std::byte> last;
  std::size_t entries = 0;
  {
    TarReader reader([&]() -> std::span<const std::byte> {
      const auto bytes = std::span(block).first(tar(block));
      if (!bytes.empty()) last = bytes;
      return bytes;
    });
    while (reader.next()) ++entries;
  }
  while (const std::size_t count = tar(block)) last = std::span(block).first(count);
  if (entries == 0) throw std::runtime_error("there is nothing in it");
  const auto end = last.last(std::min<std::size_t>(last.size(), 512));
  if (std::any_of(end.begin(), end.end(), [](std::byte byte) { return byte != std::byte{0}; })) {
    throw std::runtime_error("the archive is truncated: its end is missing; get it again");
  }
}

const char* media_type_of_layer(const std::string& path) {
  std::byte magic[4]{};
  file_source(path)(magic);
  if (magic[0] == std::byte{0x1f} && magic[1] == std::byte{0x8b}) return media_type::oci_layer_gzip;
  const bool is_zstd =
      magic[0] == std::byte{0x28} && magic[1] == std::byte{0xb5} && magic[2] == std::byte{0x2f};
  return is_zstd ? media_type::oci_layer_zstd : media_type::oci_layer;
}

std::string configuration(const Digest& diff_id) {
  const Platform platform = Platform::of_this_machine();
  return nlohmann::json{{"architecture", platform.architecture},
                        {"os", platform.os},
                        {"config",
                         {{"Cmd", {"/bin/sh"}},
                          {"Env", {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}}},
                        {"rootfs", {{"type", "layers"}, {"diff_ids", {diff_id.string()}}}}}
      .dump();
}

}  // namespace

Descriptor write_layer(const ByteSource& bytes, Store& store) {
  BlobWriter writer(store);
  std::vector<std::byte> buffer(1 << 20);
  while (const std::size_t count = bytes(buffer)) writer.write(std::span(buffer).first(count));
  Descriptor layer = writer.commit();
  layer.media_type = media_type_of_layer(store.blob_path(layer.digest));
  return layer;
}

Descriptor import_root(const std::string& path, Store& store) {
  require_complete(path);
  const Descriptor layer = write_layer(file_source(path), store);
  const Manifest manifest{
      write_blob(store, configuration(digest_of(inflate(store.open(layer)))), media_type::oci_config),
      {layer}};
  return write_blob(store, manifest.text(), media_type::oci_manifest);
}

}  // namespace workshop
