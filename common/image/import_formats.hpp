#pragma once

#include <functional>

#include "common/image/bundle.hpp"
#include "common/image/store.hpp"

namespace workshop {

/// An image that may be imported.
struct Candidate {
  std::optional<ImageName> name;            ///< it has in the archive
  std::function<Descriptor(Store&)> bring;  ///< copies its blobs, verified, and returns its manifest
};

/// The images of an OCI image layout (image-layout.md); nothing if `bundle` is no such thing.
std::optional<std::vector<Candidate>> oci_candidates(Bundle& bundle, const Platform& platform);

/// The images of an archive made by `docker save`; nothing if `bundle` is no such thing.
std::optional<std::vector<Candidate>> docker_candidates(Bundle& bundle);

/// Makes an image of one layer from the archive of a root file system. Returns its manifest.
Descriptor import_root(const std::string& path, Store& store);

/// Stores a layer that comes without a digest.
Descriptor write_layer(const ByteSource& bytes, Store& store);

}  // namespace workshop
