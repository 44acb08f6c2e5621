#include "common/image/store.hpp"

#include <fcntl.h>

#include <fstream>

#include "common/image/blob_writer.hpp"
#include "common/image/challenge.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/scratch.hpp"

using namespace workshop;
using namespace workshop::testing;

namespace {

Descriptor descriptor_of(const std::string& text) {
  return {media_type::oci_layer, digest_of(text), text.size()};
}

void fill(BlobWriter& writer, const std::string& text) {
  writer.write(bytes_of(text));
}

/// A minimal image in the store: one layer with the given text, which need not be an archive.
StoredImage make_image(Store& store, const std::string& name, const std::string& layer) {
  const Manifest manifest{write_blob(store, "{}", media_type::oci_config),
                          {write_blob(store, layer, media_type::oci_layer)}};
  return {ImageName::parse(name), write_blob(store, manifest.text(), media_type::oci_manifest)};
}

}  // namespace

TEST_CASE("a blob is there when it is complete and right, and not before") {
  const Scratch scratch;
  Store store(scratch / "store");
  const auto blob = descriptor_of("hello");
  {
    BlobWriter writer(store, blob);
    fill(writer, "hel");
    CHECK_FALSE(store.has(blob));
  }
  CHECK_FALSE(store.has(blob));
  BlobWriter writer(store, blob);
  CHECK(writer.offset() == 0);
  fill(writer, "hello");
  writer.commit();
  CHECK(store.has(blob));
  CHECK(store.read(blob) == "hello");
}

TEST_CASE("what is kept is gone on with") {
  const Scratch scratch;
  Store store(scratch / "store");
  const auto blob = descriptor_of("hello");
  {
    BlobWriter writer(store, blob);
    fill(writer, "hel");
    writer.keep();
  }
  BlobWriter writer(store, blob);
  CHECK(writer.offset() == 3);
  fill(writer, "lo");
  writer.commit();
  CHECK(store.read(blob) == "hello");
}

TEST_CASE("a blob with another digest or size than promised is refused, and gone") {
  const Scratch scratch;
  Store store(scratch / "store");
  const auto blob = descriptor_of("hello");
  for (const std::string text : {"jello", "hell", ""}) {
    CAPTURE(text);
    BlobWriter writer(store, blob);
    CHECK(writer.offset() == 0);
    fill(writer, text);
    CHECK(contains(error_of([&] { writer.commit(); }), "wrong "));
  }
  BlobWriter writer(store, blob);
  CHECK(contains(error_of([&] { fill(writer, "hello!"); }), "more bytes"));
  CHECK_FALSE(store.has(blob));
}

TEST_CASE("an image whose blobs are not all there is not added") {
  const Scratch scratch;
  Store store(scratch / "store");
  const auto image = make_image(store, "x", "layer");
  ::unlink(store.blob_path(digest_of("layer")).c_str());
  CHECK_FALSE(store.add(image));
  CHECK(store.images().empty());
  CHECK(store.add(make_image(store, "x", "layer")));
  CHECK(store.images().size() == 1);
}

TEST_CASE("rolling back takes what was brought, but not what an image needs") {
  const Scratch scratch;
  {
    Store store(scratch / "store");
    CHECK(store.add(make_image(store, "first", "shared")));
    write_blob(store, "useless", "");
    store.roll_back();
    CHECK(store.has(descriptor_of("shared")));
    CHECK_FALSE(store.has(descriptor_of("useless")));
  }
  Store store(scratch / "store");
  write_blob(store, "shared", "");  // it was there before
  store.roll_back();
  CHECK(store.has(descriptor_of("shared")));
}

TEST_CASE("a store of another version is refused") {
  const Scratch scratch;
  std::ofstream(scratch.directory("store") + "/workshop-store.json") << R"({"version": 2})";
  CHECK(contains(error_of([&] { Store store(scratch / "store"); }),
                 "is of version 2, this program knows version 1"));
}

TEST_CASE("asking an empty place makes nothing there") {
  const Scratch scratch;
  Store store(scratch / "store");
  CHECK(store.images().empty());
  CHECK(::access((scratch / "store").c_str(), F_OK) == -1);
}

TEST_CASE("documents that are no image's are refused") {
  const std::string digest = "\"digest\": \"" + digest_of("").string() + "\"";
  CHECK(contains(error_of([] { Manifest::parse("{"); }), "not a valid image manifest"));
  CHECK(contains(error_of([] { Manifest::parse(R"({"schemaVersion": 1})"); }), "schema 1"));
  CHECK(contains(error_of([] { Manifest::parse(R"({"schemaVersion": 2, "layers": []})"); }),
                 "not a valid image manifest"));
  CHECK(contains(error_of([&] { Index::parse("{\"manifests\": [{" + digest + ", \"size\": -1}]}"); }),
                 "whole number"));
  CHECK(contains(
      error_of([] { Index::parse(R"({"manifests": [{"digest": "../../etc/passwd", "size": 1}]})"); }),
      "is not a digest"));
  CHECK(contains(error_of([] { media_type_of(R"({"layers": [], "manifests": []})"); }), "refused"));
}

TEST_CASE("a platform is chosen as the machine can run it") {
  const auto offer = [](std::vector<std::string> platforms) {
    Index index;
    for (const auto& text : platforms)
      index.manifests.push_back({"", digest_of(text), 1, {}, Platform::parse(text)});
    return index;
  };
  const auto chosen = [](const Index& index, const std::string& wanted) {
    return index.choose(Platform::parse(wanted)).platform->string();
  };
  const auto arms =
      offer({"linux/amd64", "linux/arm/v5", "linux/arm/v7", "linux/arm64/v8", "unknown/unknown"});
  CHECK(chosen(arms, "linux/arm64") == "linux/arm64/v8");
  CHECK(chosen(arms, "linux/arm/v6") == "linux/arm/v5");
  CHECK(chosen(arms, "linux/arm/v7") == "linux/arm/v7");
  CHECK(chosen(arms, "linux/amd64") == "linux/amd64");
  CHECK(
      contains(error_of([&] { chosen(offer({"linux/arm/v7"}), "linux/arm/v6"); }), "only for linux/arm/v7"));
}

TEST_CASE("a registry's challenge is understood") {
  const auto bearer = Challenge::parse(
      R"(Bearer realm="https://auth.docker.io/token",service="registry.docker.io", scope="repository:a/b:pull,push")");
  CHECK(bearer.scheme == "bearer");
  CHECK(bearer.parameters.at("realm") == "https://auth.docker.io/token");
  CHECK(bearer.parameters.at("scope") == "repository:a/b:pull,push");
  CHECK(Challenge::parse("BASIC realm=x").parameters.at("realm") == "x");
  for (const char* odd :
       {"", "Bearer", "Bearer ", "Bearer =", "Bearer a=\"", "Bearer ,,,", "Bearer \"\"\"", "Bearer a=\"\\"}) {
    CAPTURE(odd);
    CHECK_NOTHROW(Challenge::parse(odd));
  }
}
