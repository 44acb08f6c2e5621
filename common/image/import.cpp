#include "common/image/import.hpp"

#include "common/image/bundle.hpp"
#include "common/image/import_formats.hpp"
#include "common/image/say.hpp"
#include "common/image/unpack.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

std::string names_of(const std::vector<Candidate>& candidates) {
  std::string names;
  for (const auto& candidate : candidates) {
    if (candidate.name) names += (names.empty() ? "" : ", ") + candidate.name->familiar();
  }
  return names.empty() ? "none has a name" : names;
}

/// All of them must have a name of their own.
void require_names(const std::vector<Candidate>& candidates, const std::string& path) {
  for (const auto& candidate : candidates) {
    if (candidate.name) continue;
    throw std::runtime_error(
        fmt::format("there is an image without a name in {}: say 'image import NAME {}'", path, path));
  }
}

/// The one that is to be `name`.
Candidate choose(const std::vector<Candidate>& candidates, const ImageName& name, const std::string& path) {
  std::vector<Candidate> fitting;
  for (const auto& candidate : candidates) {
    if (candidate.name == name) fitting.push_back(candidate);
  }
  if (fitting.empty()) fitting = candidates;
  if (fitting.size() == 1) {
    fitting[0].name = name;
    return fitting[0];
  }
  throw std::runtime_error(
      fmt::format("{} has {} images ({}): name one of them, or 'image import {}' gets them all", path,
                  candidates.size(), names_of(candidates), path));
}

std::vector<Candidate> candidates_in(Bundle& bundle, const std::string& path, const Platform& platform) {
  if (auto found = oci_candidates(bundle, platform)) return *found;
  if (auto found = docker_candidates(bundle)) return *found;
  if (bundle.is_folder()) {
    throw std::runtime_error(fmt::format(
        "{} is not an OCI image layout: it has no index.json; of a root file system, import its tar archive",
        path));
  }
  return {Candidate{std::nullopt, [path](Store& store) { return import_root(path, store); }}};
}

}  // namespace

void import_images(const std::optional<ImageName>& name, const std::string& path, const Platform& platform,
                   Store& store) {
  std::vector<StoredImage> images;
  try {
    const auto bundle = Bundle::open(path);
    std::vector<Candidate> chosen = candidates_in(*bundle, path, platform);
    if (chosen.empty()) throw std::runtime_error("there is no image in it");
    if (name) {
      chosen = {choose(chosen, *name, path)};
    } else {
      require_names(chosen, path);
    }
    store.prepare();
    for (const auto& candidate : chosen) {
      images.push_back({*candidate.name, candidate.bring(store)});
      const Image image(store, images.back());
      images.back().manifest.platform = Configuration::parse(image.configuration).platform;
      verify_layers(image);
      if (is_there(image.stored.name, store) && !is_unpacked(image, store))
        require_unused(image.stored.name, store);
    }
  } catch (const std::system_error&) {
    throw;
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(fmt::format("cannot import {}: {}", path, error.what()));
  }
  for (const auto& stored : images) {
    if (!store.add(stored))
      throw std::runtime_error("another program removed parts of it meanwhile: try again");
    // Levels take what is unpacked as it is.
    if (is_there(stored.name, store)) unpack(Image(store, stored), store);
    say(fmt::format("{} imported", stored.name.familiar()));
  }
}

}  // namespace workshop
