#pragma once

#include <string>

#include "common/testing/sandbox.hpp"

namespace workshop::testing {

/// Makes an OCI image layout (OCI image specification, image-layout.md) in the directory `layout` of the
/// sandbox. Its only layer is the built-in busybox's; its configuration's "config" is `config`, a JSON
/// object.
void make_image(const Sandbox& host, const std::string& layout, const std::string& config);

/// Serves the image of a layout as `name`:latest, as a registry that one can only pull from (OCI distribution
/// specification, "Pull"), until the sandbox ends. Returns its address, "127.0.0.1:PORT".
std::string serve_image(const Sandbox& host, const std::string& layout, const std::string& name);

}  // namespace workshop::testing
