#include "common/image/pull.hpp"

#include "common/image/fetch.hpp"
#include "common/image/interrupt.hpp"
#include "common/image/progress.hpp"
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

/// Fetches the documents of an image, which say what layers it has.
Image fetch_documents(const Offer& offer, const ImageName& name, const std::optional<Platform>& asked,
                      Store& store) {
  const Manifest manifest = Manifest::parse(offer.document.text);
  StoredImage image{name, offer.document.descriptor};
  const auto known = store.find(name);
  if (known && known->manifest.digest != image.manifest.digest) require_unused(name, store);
  if (!store.has(image.manifest)) write_blob(store, offer.document.text, image.manifest.media_type);
  if (manifest.config.size > kMaxDocument)
    throw std::runtime_error("its configuration is too large to be one");
  Fetch(*offer.registry, {manifest.config}, store).wait_for_all();
  const Configuration configuration = Configuration::parse(store.read(manifest.config));
  const Platform platform = asked.value_or(Platform::of_this_machine());
  if (platform.fitness(configuration.platform) == 0) {
    const std::string what = fmt::format("{} is for {}, not for {}", name.familiar(),
                                         configuration.platform.string(), platform.string());
    if (asked) throw std::runtime_error(what + ", and the registry has no other");
    say(what + ": its programs will not run here");
  }
  image.manifest.platform = configuration.platform;
  return Image(store, image);
}

/// The bytes of a layer as they come. Once it is there, `progress` tells how much of it has been unpacked.
ByteSource arriving(Fetch& fetch, std::size_t number, Progress& progress) {
  return [&fetch, number, &progress, source = fetch.open(number), bytes = std::uint64_t{0},
          told = false](std::span<std::byte> buffer) mutable {
    const std::size_t count = source(buffer);
    bytes += count;
    if (!told && fetch.is_there(number)) {
      progress.begin(number, "unpacking", bytes);
      told = true;
    } else if (told) {
      progress.update(number, bytes);
    }
    return count;
  };
}

/// Unpacks the layers while they come. What comes is verified when it ends and not before: when it cannot be
/// unpacked, that decides whether it is the image that is wrong.
std::string unpack_arriving(const Image& image, Fetch& fetch, Store& store, Progress& progress) {
  for (;;) {
    std::size_t current = 0;
    bool is_verified = true;  // what is said before a layer is asked for, is not about one
    LayerFeed feed;
    feed.open = [&](std::size_t number) {
      current = number;
      is_verified = fetch.is_there(number);
      return arriving(fetch, number, progress);
    };
    feed.applied = [&](std::size_t number) { progress.finish(number, "done"); };
    try {
      return unpack(image, store, feed);
    } catch (const LimitExceeded&) {
      throw;
    } catch (const std::system_error&) {
      throw;
    } catch (const std::runtime_error&) {  // Restarted, for one
      if (is_verified) throw;
      fetch.wait_for(current);
    }
  }
}

std::string fetch_and_unpack(const Image& image, Registry& registry, Store& store) {
  const auto& layers = image.manifest.layers;
  Progress progress;
  for (const auto& layer : layers) progress.add(layer.digest.hex().substr(0, 12), layer.size);
  Fetch fetch(registry, layers, store, &progress);
  const std::string rootfs = unpack_arriving(image, fetch, store, progress);
  for (std::size_t i = 0; i < layers.size(); ++i) {  // nobody asked for those of one that was unpacked before
    fetch.wait_for(i);
    progress.finish(i);
  }
  return rootfs;
}

/// Fetches and unpacks; false if another program removed some of it meanwhile.
bool pull_once(const ImageName& name, const std::optional<Platform>& platform, Store& store) {
  HttpClient http;
  const Offer offer = find_offer(http, name, platform.value_or(Platform::of_this_machine()));
  const Image image = fetch_documents(offer, name, platform, store);
  const auto known = store.find(name);
  const bool same =
      known && known->manifest.digest == image.stored.manifest.digest && is_unpacked(image, store);
  const std::string rootfs = fetch_and_unpack(image, *offer.registry, store);
  if (!store.add(image.stored)) return false;
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
