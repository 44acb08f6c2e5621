#include <map>

#include "common/image/blob_writer.hpp"
#include "common/image/import_formats.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr const char* kFullName = "io.containerd.image.name";
constexpr const char* kReferenceName = "org.opencontainers.image.ref.name";

std::string member_of(const Digest& digest) {
  return "blobs/sha256/" + digest.hex();
}

std::string verified_document(Bundle& bundle, const Descriptor& descriptor) {
  const auto text = bundle.document(member_of(descriptor.digest));
  if (!text)
    throw std::runtime_error(fmt::format("{} is missing: it is not complete", descriptor.digest.string()));
  if (digest_of(*text) == descriptor.digest) return *text;
  throw std::runtime_error(
      fmt::format("wrong digest: what it has as {} is something else", descriptor.digest.string()));
}

/// The full name, where there is one. The other annotation is often a tag alone ("12"), which is no name.
std::optional<ImageName> name_in(const Descriptor& descriptor) {
  for (const char* key : {kFullName, kReferenceName}) {
    const auto found = descriptor.annotations.find(key);
    if (found == descriptor.annotations.end()) continue;
    const bool is_tag_alone = found->second.find_first_of("/:@") == std::string::npos;
    if (is_tag_alone && key == kReferenceName) continue;
    return ImageName::parse(found->second);
  }
  return std::nullopt;
}

/// Copies a blob for each descriptor, unless the store has it.
void copy_blobs(Bundle& bundle, const std::vector<Descriptor>& descriptors, Store& store) {
  std::map<std::string, Descriptor> wanted;
  std::set<std::string> members;
  for (const auto& descriptor : descriptors) {
    if (store.has(descriptor)) continue;
    wanted.emplace(member_of(descriptor.digest), descriptor);
    members.insert(member_of(descriptor.digest));
  }
  if (members.empty()) return;
  bundle.each(members, [&](const std::string& member, const ByteSource& bytes) {
    const auto found = wanted.find(member);
    if (found == wanted.end()) return;  // a second member of that name
    BlobWriter writer(store, found->second);
    if (!writer.is_complete()) {
      writer.restart();
      std::vector<std::byte> buffer(1 << 20);
      while (const std::size_t count = bytes(buffer)) writer.write(std::span(buffer).first(count));
      writer.commit();
    }
    wanted.erase(found);
  });
  if (!wanted.empty()) {
    throw std::runtime_error(
        fmt::format("{} is missing: it is not complete", wanted.begin()->second.digest.string()));
  }
}

Descriptor bring(Bundle& bundle, Descriptor descriptor, const Platform& platform, Store& store) {
  constexpr int kDeepest = 3;
  std::string text;
  for (int depth = 0;; ++depth) {
    text = verified_document(bundle, descriptor);
    descriptor.media_type = media_type_of(text);
    if (!descriptor.is_index()) break;
    if (depth == kDeepest)
      throw std::runtime_error("an index within an index within an index: this is no image");
    descriptor = Index::parse(text).choose(platform);
  }
  const Manifest manifest = Manifest::parse(text);
  std::vector<Descriptor> blobs = manifest.layers;
  blobs.push_back(manifest.config);
  blobs.push_back(descriptor);
  copy_blobs(bundle, blobs, store);
  return descriptor;
}

/// An image for several platforms may stand there as several manifests of one name, or of none.
std::vector<Descriptor> one_for_each_name(const std::vector<Descriptor>& manifests,
                                          const Platform& platform) {
  std::map<std::string, Index> by_name;
  for (const auto& manifest : manifests) {
    const auto name = name_in(manifest);
    by_name[name ? name->canonical() : ""].manifests.push_back(manifest);
  }
  std::vector<Descriptor> chosen;
  for (const auto& [name, index] : by_name) {
    bool all_have_platforms = true;
    for (const auto& manifest : index.manifests) all_have_platforms &= manifest.platform.has_value();
    if (index.manifests.size() > 1 && all_have_platforms) {
      chosen.push_back(index.choose(platform));
    } else {
      chosen.insert(chosen.end(), index.manifests.begin(), index.manifests.end());
    }
  }
  return chosen;
}

}  // namespace

std::optional<std::vector<Candidate>> oci_candidates(Bundle& bundle, const Platform& platform) {
  const auto index = bundle.document("index.json");
  if (!index || !bundle.document("oci-layout")) return std::nullopt;
  std::vector<Candidate> candidates;
  for (const auto& descriptor : one_for_each_name(Index::parse(*index).manifests, platform)) {
    candidates.push_back({name_in(descriptor), [&bundle, descriptor, platform](Store& store) {
                            return bring(bundle, descriptor, platform, store);
                          }});
  }
  return candidates;
}

}  // namespace workshop
