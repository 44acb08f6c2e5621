#include "common/image/manifest.hpp"

#include <fmt/core.h>
#include <sys/utsname.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "common/image/http.hpp"

namespace workshop {
namespace {

using nlohmann::json;

/// Runs `read` on the parsed text; whatever is missing or of the wrong type in it is one error. Errors quote
/// the document, which somebody else wrote.
template <class Read>
auto parse_document(const char* what, std::string_view text, Read&& read) {
  try {
    return read(json::parse(text));
  } catch (const json::exception& error) {
    throw std::runtime_error(fmt::format("not a valid {}: {}", what, harmless(error.what())));
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(harmless(error.what()));
  }
}

/// Many writers put null for what they leave out.
std::string optional_string(const json& object, const char* key) {
  const auto value = object.find(key);
  return value != object.end() && value->is_string() ? value->get<std::string>() : "";
}

Platform read_platform(const json& object) {
  // Lists and messages show them.
  return {harmless(optional_string(object, "os")), harmless(optional_string(object, "architecture")),
          harmless(optional_string(object, "variant"))};
}

Descriptor read_descriptor(const json& object) {
  const auto& size = object.at("size");
  if (!size.is_number_unsigned())
    throw std::runtime_error("a descriptor's size must be a whole number, not " + size.dump());
  Descriptor descriptor{optional_string(object, "mediaType"),
                        Digest::parse(object.at("digest").get<std::string>()), size.get<std::uint64_t>()};
  if (const auto found = object.find("annotations"); found != object.end() && found->is_object()) {
    for (const auto& [key, value] : found->items()) {
      if (value.is_string()) descriptor.annotations[key] = value.get<std::string>();
    }
  }
  if (const auto found = object.find("platform"); found != object.end() && found->is_object()) {
    descriptor.platform = read_platform(*found);
  }
  return descriptor;
}

json to_json(const Platform& platform) {
  json object{{"architecture", platform.architecture}, {"os", platform.os}};
  if (!platform.variant.empty()) object["variant"] = platform.variant;
  return object;
}

json to_json(const Descriptor& descriptor) {
  json object{{"mediaType", descriptor.media_type},
              {"digest", descriptor.digest.string()},
              {"size", descriptor.size}};
  if (!descriptor.annotations.empty()) object["annotations"] = descriptor.annotations;
  if (descriptor.platform) object["platform"] = to_json(*descriptor.platform);
  return object;
}

json to_json(const std::vector<Descriptor>& descriptors) {
  json list = json::array();
  for (const auto& descriptor : descriptors) list.push_back(to_json(descriptor));
  return list;
}

std::vector<Descriptor> read_descriptors(const json& list) {
  std::vector<Descriptor> descriptors;
  for (const auto& object : list) descriptors.push_back(read_descriptor(object));
  return descriptors;
}

void require_layer(const Descriptor& layer) {
  const std::string& type = layer.media_type;
  // "foreign" and "nondistributable" layers lie elsewhere than in the registry; only Windows images have
  // them.
  const bool elsewhere =
      type.find("foreign") != std::string::npos || type.find("nondistributable") != std::string::npos;
  if (elsewhere || type.find("tar") == std::string::npos) {
    throw std::runtime_error(
        fmt::format("a layer has the media type \"{}\": this is not a Linux container image", type));
  }
}

/// Within an architecture: arm runs the code of lower versions, and arm64 without a variant is v8.
int variant_fitness(const std::string& wanted, const std::string& offered) {
  if (wanted == offered) return 100;
  if (offered.empty()) return 50;
  if (wanted.empty()) return 40;
  return offered < wanted ? 1 + offered.back() - '0' : 0;
}

std::string normal_variant(const Platform& platform) {
  return platform.architecture == "arm64" && platform.variant == "v8" ? "" : platform.variant;
}

}  // namespace

Platform Platform::parse(const std::string& text) {
  const auto first = text.find('/');
  const auto second = first == std::string::npos ? first : text.find('/', first + 1);
  Platform platform;
  if (first != std::string::npos) {
    platform.os = text.substr(0, first);
    platform.architecture = text.substr(first + 1, second == std::string::npos ? second : second - first - 1);
    if (second != std::string::npos) platform.variant = text.substr(second + 1);
  }
  if (platform.os.empty() || platform.architecture.empty() ||
      platform.variant.find('/') != std::string::npos) {
    throw std::runtime_error(
        fmt::format("invalid platform \"{}\": write OS/ARCH[/VARIANT], as in linux/arm64", text));
  }
  return platform;
}

Platform Platform::of_this_machine() {
  // uname(2) has the kernel's names, images have Go's (config.md: "architecture").
  static const std::map<std::string, Platform> known = {
      {"x86_64", {"linux", "amd64", ""}}, {"aarch64", {"linux", "arm64", ""}},
      {"armv7l", {"linux", "arm", "v7"}}, {"armv6l", {"linux", "arm", "v6"}},
      {"i686", {"linux", "386", ""}},     {"riscv64", {"linux", "riscv64", ""}},
      {"s390x", {"linux", "s390x", ""}},  {"ppc64le", {"linux", "ppc64le", ""}},
  };
  utsname machine{};
  ::uname(&machine);
  const auto found = known.find(machine.machine);
  return found != known.end() ? found->second : Platform{"linux", machine.machine, ""};
}

std::string Platform::string() const {
  return os + "/" + architecture + (variant.empty() ? "" : "/" + variant);
}

int Platform::fitness(const Platform& offered) const {
  if (os != offered.os || architecture != offered.architecture) return 0;
  return variant_fitness(normal_variant(*this), normal_variant(offered));
}

bool Descriptor::is_index() const {
  return media_type == media_type::oci_index || media_type == media_type::docker_list;
}

Manifest Manifest::parse(std::string_view text) {
  return parse_document("image manifest", text, [](const json& document) {
    if (document.value("schemaVersion", 0) != 2) {
      throw std::runtime_error(
          "the manifest is of Docker's old schema 1, which nothing makes any more: push the image again");
    }
    Manifest manifest{read_descriptor(document.at("config")), read_descriptors(document.at("layers"))};
    for (const auto& layer : manifest.layers) require_layer(layer);
    return manifest;
  });
}

std::string Manifest::text() const {
  return json{{"schemaVersion", 2},
              {"mediaType", media_type::oci_manifest},
              {"config", to_json(config)},
              {"layers", to_json(layers)}}
      .dump();
}

Index Index::parse(std::string_view text) {
  return parse_document("image index", text, [](const json& document) {
    return Index{read_descriptors(document.at("manifests"))};
  });
}

std::string Index::text() const {
  return json{{"schemaVersion", 2}, {"mediaType", media_type::oci_index}, {"manifests", to_json(manifests)}}
      .dump(2);
}

const Descriptor& Index::choose(const Platform& platform) const {
  const Descriptor* best = nullptr;
  int best_fitness = 0;
  std::string offered;
  for (const auto& manifest : manifests) {
    // Build attestations stand beside the images, for the platform "unknown/unknown".
    if (manifest.platform && manifest.platform->os == "unknown") continue;
    const int fitness = manifest.platform ? platform.fitness(*manifest.platform) : 1;
    if (fitness > best_fitness) {
      best = &manifest;
      best_fitness = fitness;
    }
    if (manifest.platform) offered += (offered.empty() ? "" : ", ") + manifest.platform->string();
  }
  if (best) return *best;
  throw std::runtime_error(fmt::format("there is no image for {}, only for {}: choose one with --platform",
                                       platform.string(), offered.empty() ? "nothing at all" : offered));
}

Configuration Configuration::parse(std::string_view text) {
  return parse_document("image configuration", text, [](const json& document) {
    Configuration configuration{read_platform(document), {}};
    const auto& rootfs = document.at("rootfs");
    for (const auto& diff_id : rootfs.at("diff_ids")) {
      configuration.diff_ids.push_back(Digest::parse(diff_id.get<std::string>()));
    }
    return configuration;
  });
}

std::string media_type_of(std::string_view text) {
  return parse_document("manifest", text, [](const json& document) {
    const bool is_index = document.contains("manifests");
    if (is_index && document.contains("layers")) {
      throw std::runtime_error("a manifest that is an image and a list of images at once; it was refused");
    }
    const std::string type = optional_string(document, "mediaType");
    if (!type.empty()) return type;
    return std::string(is_index ? media_type::oci_index : media_type::oci_manifest);
  });
}

}  // namespace workshop
