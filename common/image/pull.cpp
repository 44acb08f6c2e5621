#include "common/image/pull.hpp"

#include "common/image/fetch.hpp"
#include "common/image/interrupt.hpp"
#include "common/image/registry.hpp"
#include "common/image/say.hpp"
#include "common/image/unpack.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

/// An image as one place offers it.
struct Offer {
  std::unique_ptr<Registry> registry;
  Registry::Document document;
};

/// Follows indexes to the manifest for the platform.
Registry::Document choose(Registry& registry, HttpClient& http, Registry::Document document,
                          const Platform& platform) {
  constexpr int kDeepest = 3;
  for (int depth = 0; document.descriptor.is_index(); ++depth) {
    if (depth == kDeepest)
      throw std::runtime_error("an index within an index within an index: this is no image");
    const Descriptor chosen = Index::parse(document.text).choose(platform);
    document = registry.manifest(http, chosen.digest.string());
    if (document.text.size() != chosen.size) {
      throw std::runtime_error(fmt::format("the manifest {} has {} bytes, not {}", chosen.digest.string(),
                                           document.text.size(), chosen.size));
    }
    document.descriptor.platform = chosen.platform;
  }
  return document;
}

Offer offer_of(const Endpoint& endpoint, HttpClient& http, const ImageName& name, const Platform& platform) {
  auto registry = std::make_unique<Registry>(endpoint, name);
  auto document = registry->manifest(http, name.digest.empty() ? name.tag : name.digest);
  document = choose(*registry, http, std::move(document), platform);
  return {std::move(registry), std::move(document)};
}

/// Asks the mirror first, where there is one, and then the registry itself.
Offer find_offer(HttpClient& http, const ImageName& name, const Platform& platform) {
  const auto endpoints = Endpoint::of(name.registry);
  for (std::size_t i = 0; i + 1 < endpoints.size(); ++i) {
    try {
      return offer_of(endpoints[i], http, name, platform);
    } catch (const HttpFailure& failure) {
      say(fmt::format("the mirror does not answer ({}); asking {}", failure.what(), name.registry));
    } catch (const Resumable& failure) {
      say(fmt::format("the mirror fails ({}); asking {}", failure.what(), name.registry));
    } catch (const NotThere& failure) {
      say(fmt::format("the mirror does not have it ({}); asking {}", failure.what(), name.registry));
    }
  }
  try {
    return offer_of(endpoints.back(), http, name, platform);
  } catch (const BadAnswer& answer) {
    throw std::runtime_error(
        fmt::format("cannot get {}: {}; is {} a registry?", name.familiar(), answer.what(), name.registry));
  } catch (const HttpFailure& failure) {
    throw Resumable(
        fmt::format("cannot reach the registry {} ({}): is the name right, and are you connected?",
                    name.registry, failure.what()));
  }
}

StoredImage fetch_image(const ImageName& name, const Platform& platform, bool platform_asked, Store& store) {
  HttpClient http;
  auto [registry, document] = find_offer(http, name, platform);
  const Manifest manifest = Manifest::parse(document.text);
  StoredImage image{name, document.descriptor};
  const auto known = store.find(name);
  if (known && known->manifest.digest != image.manifest.digest) require_unused(name, store);
  if (!store.has(image.manifest)) write_blob(store, document.text, image.manifest.media_type);
  if (manifest.config.size > kMaxDocument)
    throw std::runtime_error("its configuration is too large to be one");
  fetch_blobs(*registry, {manifest.config}, store, false);
  const Configuration configuration = Configuration::parse(store.read(manifest.config));
  if (platform.fitness(configuration.platform) == 0) {
    const std::string what = fmt::format("{} is for {}, not for {}", name.familiar(),
                                         configuration.platform.string(), platform.string());
    if (platform_asked) throw std::runtime_error(what + ", and the registry has no other");
    say(what + ": its programs will not run here");
  }
  image.manifest.platform = configuration.platform;
  fetch_blobs(*registry, manifest.layers, store, true);
  return image;
}

/// Fetches and unpacks; false if another program removed some of it meanwhile.
bool pull_once(const ImageName& name, const std::optional<Platform>& platform, Store& store) {
  const StoredImage stored =
      fetch_image(name, platform.value_or(Platform::of_this_machine()), platform.has_value(), store);
  const Image image(store, stored);
  const auto known = store.find(name);
  const bool same = known && known->manifest.digest == stored.manifest.digest && is_unpacked(image, store);
  const std::string rootfs = unpack(image, store);
  if (!store.add(stored)) return false;
  say(fmt::format("{} {}: {}", name.familiar(), same ? "is up to date" : "is ready", rootfs));
  return true;
}

}  // namespace

void pull(const ImageName& name, const std::optional<Platform>& platform, Store& store) {
  try {
    for (int attempt = 0; attempt < 3; ++attempt) {
      if (pull_once(name, platform, store)) return;
    }
  } catch (const Resumable&) {
    store.keep_added();
    throw;
  } catch (const Interrupted&) {
    store.keep_added();
    throw;
  }
  throw std::runtime_error("other programs keep removing what was fetched: try again when they are done");
}

}  // namespace workshop
