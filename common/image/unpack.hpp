#pragma once

#include "common/image/layer.hpp"
#include "common/image/store.hpp"

namespace workshop {

/// An image and the store that holds it.
struct Image {
  StoredImage stored;
  Manifest manifest;
  std::string configuration;     ///< the document, verified
  std::vector<Digest> diff_ids;  ///< one for each layer
  const Store* store;

  /// Throws std::runtime_error if the documents are missing, damaged or do not fit together.
  Image(const Store& from, const StoredImage& image);
};

/// Where the layers come from that are unpacked, each when those below it are.
struct LayerFeed {
  std::function<ByteSource(std::size_t number)> open;
  std::function<void(std::size_t number)> applied = [](std::size_t) {};
};

/// What all images that are unpacked from now on may ask of the machine.
void set_limits(const ExtractionLimits& limits);

/// Applies the layers to `destination`, which is made if it is missing and refused if it is not empty. Each
/// layer is compared with its diff_id, unless the store knows that it has been. After a failure `destination`
/// is again as it was.
void extract(const Image& image, const std::string& destination);

/// Makes <store>/images/<folder>/{rootfs,config.json} of `image` and returns the path of the root file
/// system. One that is there already and belongs to the same configuration stays; another one is replaced,
/// unless it is in use (std::runtime_error). It appears complete or not at all.
std::string unpack(const Image& image, Store& store);

/// The same with layers that may be on their way still.
std::string unpack(const Image& image, Store& store, const LayerFeed& feed);

/// Compares each layer with its diff_id, in any case; throws std::runtime_error.
void verify_layers(const Image& image);

/// Whether there is a root file system for an image of that name.
bool is_there(const ImageName& name, const Store& store);

/// Whether unpack() would leave things as they are.
bool is_unpacked(const Image& image, const Store& store);

/// Removes <store>/images/<folder>; throws std::runtime_error if it is in use.
void remove_unpacked(const ImageName& name, Store& store);

/// Throws std::runtime_error that says why if the root file system of `name` is some process's root or has
/// mounts in it.
void require_unused(const ImageName& name, const Store& store);

}  // namespace workshop
