#include "common/testing/image_fixture.hpp"

#include <stdexcept>

namespace workshop::testing {
namespace {

void run_script(const Sandbox& host, const std::string& script) {
  const Run run = host.shell(script);
  if (run.status != 0) throw std::runtime_error("a script of the tests failed:\n" + run.err);
}

// Both scripts get their arguments as variables, set in the line before them.
constexpr const char* kMakeImage = R"sh(
set -eu
mkdir -p "$layout/blobs/sha256" tree
image extract --quiet --store store-for-image busybox tree/root
tar -C tree/root -cf layer.tar .

# Stores a blob under its digest and prints its descriptor.
blob() {
  digest=$(sha256sum < "$1" | cut -d ' ' -f 1)
  cp "$1" "$layout/blobs/sha256/$digest"
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%s}' "$2" "$digest" "$(stat -c %s "$1")"
}

diff_id=$(sha256sum < layer.tar | cut -d ' ' -f 1)
machine=$(uname -m)
case $machine in x86_64) machine=amd64 ;; aarch64) machine=arm64 ;; esac
printf '{"architecture":"%s","os":"linux","config":%s,"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
  "$machine" "$config" "$diff_id" > config.json
layer=$(blob layer.tar application/vnd.oci.image.layer.v1.tar)
config=$(blob config.json application/vnd.oci.image.config.v1+json)
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":%s,"layers":[%s]}' \
  "$config" "$layer" > manifest.json
manifest=$(blob manifest.json application/vnd.oci.image.manifest.v1+json)
printf '{"schemaVersion":2,"manifests":[%s]}' "$manifest" > "$layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"
rm -rf tree layer.tar config.json manifest.json store-for-image
)sh";

constexpr const char* kServeImage = R"sh(
set -eu
files=$PWD/registry/v2/$name
mkdir -p "$files/manifests" "$files/blobs"
for path in "$layout"/blobs/sha256/*; do cp "$path" "$files/blobs/sha256:${path##*/}"; done
manifest=$(sed 's/.*"digest":"\(sha256:[0-9a-f]*\)".*/\1/' "$layout/index.json")
cp "$files/blobs/$manifest" "$files/manifests/latest"
cp "$files/blobs/$manifest" "$files/manifests/$manifest"
# A free port is found by trying: the server ends at once where another one listens.
for port in $(seq 20000 20100); do
  busybox httpd -p "127.0.0.1:$port" -h registry 2>/dev/null && { echo "127.0.0.1:$port"; exit; }
done
exit 1
)sh";

}  // namespace

void make_image(const Sandbox& host, const std::string& layout, const std::string& config) {
  run_script(host, "layout='" + layout + "' config='" + config + "'\n" + kMakeImage);
}

std::string serve_image(const Sandbox& host, const std::string& layout, const std::string& name) {
  const Run run = host.shell("layout='" + layout + "' name='" + name + "'\n" + kServeImage);
  if (run.status != 0) throw std::runtime_error("cannot serve an image:\n" + run.err);
  return run.out.substr(0, run.out.find('\n'));
}

}  // namespace workshop::testing
