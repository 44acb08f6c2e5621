#include <map>
#include <nlohmann/json.hpp>

#include "common/image/blob_writer.hpp"
#include "common/image/import_formats.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

using nlohmann::json;

/// One image of manifest.json, of which there is no specification but the source of `docker save`.
struct SavedImage {
  std::string config;
  std::vector<std::string> layers;
  std::vector<std::string> names;
};

std::vector<SavedImage> read_manifest(const std::string& text) {
  try {
    std::vector<SavedImage> images;
    for (const auto& object : json::parse(text)) {
      SavedImage image{object.at("Config"), object.at("Layers"), {}};
      if (const auto tags = object.find("RepoTags"); tags != object.end() && tags->is_array())
        image.names = *tags;
      images.push_back(std::move(image));
    }
    return images;
  } catch (const json::exception& error) {
    throw std::runtime_error(
        fmt::format("its manifest.json is not that of an image archive: {}", error.what()));
  }
}

/// The configuration's file is called after its digest.
void require_digest(const std::string& member, const std::string& text) {
  std::string name = member.substr(member.rfind('/') + 1);
  name = name.substr(0, name.find('.'));
  const bool is_digest = name.size() == 64 && name.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!is_digest || digest_of(text).hex() == name) return;
  throw std::runtime_error(fmt::format("wrong digest: {} has {}", member, digest_of(text).string()));
}

Descriptor bring(Bundle& bundle, const SavedImage& image, Store& store) {
  const auto config = bundle.document(image.config);
  if (!config) throw std::runtime_error(fmt::format("{} is missing: it is not complete", image.config));
  require_digest(image.config, *config);

  std::map<std::string, Descriptor> layers;  // several layers may be links to one
  std::set<std::string> members;
  for (const auto& layer : image.layers) members.insert(bundle.resolve(layer));
  bundle.each(members, [&](const std::string& member, const ByteSource& bytes) {
    layers.insert_or_assign(member, write_layer(bytes, store));
  });

  Manifest manifest{write_blob(store, *config, media_type::oci_config), {}};
  for (const auto& layer : image.layers) {
    const auto found = layers.find(bundle.resolve(layer));
    if (found == layers.end())
      throw std::runtime_error(fmt::format("{} is missing: it is not complete", layer));
    manifest.layers.push_back(found->second);
  }
  return write_blob(store, manifest.text(), media_type::oci_manifest);
}

}  // namespace

std::optional<std::vector<Candidate>> docker_candidates(Bundle& bundle) {
  const auto manifest = bundle.document("manifest.json");
  if (!manifest) return std::nullopt;
  std::vector<Candidate> candidates;
  for (const auto& image : read_manifest(*manifest)) {
    const auto bring_it = [&bundle, image](Store& store) { return bring(bundle, image, store); };
    if (image.names.empty()) candidates.push_back({std::nullopt, bring_it});
    for (const auto& name : image.names) candidates.push_back({ImageName::parse(name), bring_it});
  }
  return candidates;
}

}  // namespace workshop
