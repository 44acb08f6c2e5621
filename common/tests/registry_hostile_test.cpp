// `image pull` from a registry that means harm: documents nobody should believe, and credentials nobody else
// gets.

#include <fmt/core.h>

#include "common/image/manifest.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/fault_row.hpp"
#include "common/tests/shell.hpp"

using namespace workshop::testing;
namespace media_type = workshop::media_type;

namespace {

/// The sample, with this in place of its manifest.
FaultyRegistry::Content instead(const std::string& manifest) {
  auto content = sample().content();
  content["/v2/image/manifests/latest"] = manifest;
  return content;
}

std::string quoted(const std::string& text) {
  return "\"" + text + "\"";
}

/// The sample's manifest with another digest for its second layer.
std::string digest(const std::string& text) {
  return sample().with(quoted(digest_text(sample().layers[1])), quoted(text));
}

/// ... and with another size.
std::string size(const std::string& number) {
  const std::string& layer = sample().layers[1];
  const std::string before = quoted(digest_text(layer)) + ",\"size\":";
  return sample().with(before + std::to_string(layer.size()), before + number);
}

std::string layer_type(const std::string& type) {
  return sample().with(quoted(media_type::oci_layer), quoted(type));
}

std::string index_of(const std::string& document, const std::string& type, const std::string& platform = "",
                     int wrong_size = 0) {
  return fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{{"mediaType":"{}","digest":"{}","size":{}{}}}]}})",
      media_type::oci_index, type, digest_text(document), document.size() + wrong_size, platform);
}

/// An index within an index and so on, around the sample's manifest.
FaultyRegistry::Content nested(int depth) {
  auto content = sample().content();
  std::string document = sample().manifest;
  for (int i = 0; i < depth; ++i) {
    document = index_of(document, i == 0 ? media_type::oci_manifest : media_type::oci_index);
    content["/v2/image/manifests/" + digest_text(document)] = document;
  }
  content["/v2/image/manifests/latest"] = document;
  return content;
}

FaultyRegistry::Content index_for(const std::string& os) {
  return instead(index_of(sample().manifest, media_type::oci_manifest,
                          fmt::format(R"(,"platform":{{"os":"{}","architecture":"x"}})", os)));
}

FaultyRegistry::Content damaged_behind_index() {
  auto content = nested(1);
  content["/v2/image/manifests/" + digest_text(sample().manifest)].back() = ' ';
  return content;
}

}  // namespace

TEST_CASE("documents that nobody should believe are refused") {
  const std::vector<FaultRow> rows = {
      {"a digest with a way out", {}, "is not a digest", instead(digest("sha256:../../../../etc/passwd"))},
      {"a digest of another algorithm",
       {},
       "is not a digest",
       instead(digest("sha512:" + std::string(128, 'a')))},
      {"a digest in capitals", {}, "is not a digest", instead(digest("sha256:" + std::string(64, 'A')))},
      {"a digest that is too short",
       {},
       "is not a digest",
       instead(digest("sha256:" + std::string(63, 'a')))},
      {"a digest that moves the cursor", {}, "is not a digest", instead(digest("\\u001b[2J\\u009b\\u0007"))},
      {"a digest of a megabyte", {}, "aaaa", instead(digest(std::string(1 << 20, 'a')))},
      {"a size of 2^63", {}, "wrong size", instead(size("9223372036854775808"))},
      {"a size of 2^64", {}, "whole number", instead(size("18446744073709551616"))},
      {"a negative size", {}, "whole number", instead(size("-1"))},
      {"half a byte", {}, "whole number", instead(size("1.5"))},
      {"a size in quotes", {}, "whole number", instead(size("\"300000\""))},
      {"a size of zero", {}, "more bytes came", instead(size("0"))},
      {"a configuration of a terabyte",
       {},
       "too large to be one",
       instead(sample().with(std::to_string(sample().config.size()) + "}", "1099511627776}"))},
      {"a layer that is no archive",
       {},
       "not a Linux container image",
       instead(layer_type("text/\\u001b[31mhtml"))},
      {"a layer that lies elsewhere",
       {},
       "not a Linux container image",
       instead(layer_type("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"))},
      {"a manifest that is an index, too",
       {},
       "at once",
       instead(sample().with("\"schemaVersion\"", "\"manifests\":[],\"schemaVersion\""))},
      {"an image that calls itself an index",
       {},
       "not a valid image index",
       instead(sample().with(media_type::oci_manifest, media_type::oci_index))},
      {"an old manifest", {}, "schema 1", instead(sample().with(":2,", ":1,"))},
      {"an index within indexes", {}, "an index within an index", nested(5)},
      {"two indexes, which is allowed", {}, "", nested(2)},
      {"an index with nothing in it",
       {},
       "there is no image for",
       instead(R"({"schemaVersion":2,"manifests":[]})")},
      {"an index for another machine", {}, "only for plan9/x", index_for("plan9")},
      {"a platform that moves the cursor", {}, "only for ?[2J", index_for("\\u001b[2J")},
      {"an index with a wrong size",
       {},
       "bytes, not",
       instead(index_of(sample().manifest, media_type::oci_manifest, "", 1))},
      {"another manifest than the index says", {}, "wrong digest", damaged_behind_index()},
      {"a million brackets", {}, "not a valid manifest", instead(std::string(1'000'000, '['))},
      {"bytes that are no UTF-8", {}, "not a valid manifest", instead("{\"\xff\xfe\x1b\": 1}")},
      {"a list", {}, "not a valid", instead("[]")},
      {"nothing", {}, "not a valid manifest", instead("")},
  };
  for (const auto& row : rows) judge(row);
}

namespace {

/// A registry that answers 401 to whoever does not bring `wanted`, with this challenge; `token` is what
/// comes from its /token.
FaultyRegistry::Fault guarded(const std::string& wanted, const std::string& challenge,
                              std::function<Reply(const Request&)> token = {}) {
  return [=](const Request& request, Reply good) {
    if (token && request.path.starts_with("/token")) return token(request);
    if (request.header("authorization") == wanted || contains(request.path, "/moved/")) return good;
    return Reply{401, "WWW-Authenticate: " + challenge + "\r\n"};
  };
}

constexpr const char* kBasic = "Basic bGVhcm5lcjpzZXNhbWU=";  // learner:sesame

std::string login(const FaultyRegistry& server) {
  return fmt::format(
      R"(mkdir -p .docker; printf '{{"auths": {{"{}": {{"auth": "{}"}}}}}}' >.docker/config.json; )",
      server.address(), std::string(kBasic).substr(6));
}

}  // namespace

TEST_CASE("challenges: what is answered, and what the learner is told when it is not enough") {
  using Token = std::function<Reply(const Request&)>;
  const auto says = [](int status, const std::string& body) {
    return Token([=](const Request&) { return Reply{status, "", body}; });
  };
  const Token good = [](const Request& request) {
    const bool let_in = request.header("authorization") == kBasic && contains(request.path, "service=here") &&
                        contains(request.path, "scope=repository%3Aimage%3Apull");
    return let_in ? Reply{200, "", R"({"token": "opens"})"} : Reply{401};
  };
  const Token busy_once = [good](const Request& request) {
    return request.number == 0 ? Reply{503} : good(request);
  };
  struct Row {
    const char* what;
    const char* challenge;  // %: where the registry is
    Token token;
    const char* says;
  };
  const char* bearer = R"(Bearer realm="http://%/token",service="here",scope="repository:image:pull")";
  const std::vector<Row> rows = {
      {"Basic", "Basic realm=\"x\"", {}, ""},
      {"Bearer", bearer, good, ""},
      {"a token server that is busy for a moment", bearer, busy_once, ""},
      {"a token server that stays busy", bearer, says(503, ""), "gives out the token for"},
      {"no token for us", bearer, says(403, ""), "docker login"},
      {"a token that does not open", bearer, says(200, R"({"token": "wrong"})"), "docker login"},
      {"a token of another type", bearer, says(200, R"({"token": 1})"), "gave no token"},
      {"a page in place of a token", bearer, says(200, "<html>"), "gave no token"},
      {"a token server nobody may speak to",
       "Bearer realm=\"http://192.0.2.1/token\"",
       {},
       "refused to fetch"},
      {"a token server that is a file", "Bearer realm=\"file:///etc/passwd\"", {}, "refused to fetch"},
      {"a challenge without a realm", "Bearer", {}, "refused to fetch"},
      {"a challenge nobody knows", "Dance", {}, "docker login"},
  };
  for (const auto& row : rows) {
    INFO(row.what);
    const Scratch scratch;
    FaultyRegistry server(sample().content());
    std::string challenge = row.challenge;
    if (const auto place = challenge.find('%'); place != std::string::npos)
      challenge.replace(place, 1, server.address());
    const bool basic = challenge.starts_with("Basic");
    server.become(sample().content(), guarded(basic ? kBasic : "Bearer opens", challenge, row.token));
    const std::string pull =
        login(server) + "WORKSHOP_PATIENCE=0.03 image pull -q " + server.address() + "/image";
    if (*row.says == '\0') {
      WORKSHOP_RUN(scratch, pull + " && image verify");
    } else {
      WORKSHOP_REFUSED(scratch, pull, row.says);
    }
  }
}

TEST_CASE("credentials stay with the registry they are for") {
  const std::string digest = digest_text(sample().layers[1]);
  FaultyRegistry elsewhere({{"/moved/" + digest, sample().layers[1]}}, "127.0.0.2");
  FaultyRegistry server(sample().content());
  auto content = sample().content();
  content["/moved/" + digest] = sample().layers[1];
  struct Row {
    std::string host;
    bool same;  // the control: our test does see credentials where they belong
  };
  for (const Row& row : std::vector<Row>{{server.address(), true},
                                         {"localhost:" + std::to_string(server.port()), false},
                                         {elsewhere.address(), false}}) {
    INFO("redirected to " << row.host);
    const Scratch scratch;
    const auto guard = guarded(kBasic, "Basic realm=\"x\"");
    server.become(content, [&](const Request& request, Reply good) {
      if (!contains(request.path, "/blobs/" + digest)) return guard(request, std::move(good));
      return Reply{307, fmt::format("Location: http://{}/moved/{}\r\n", row.host, digest)};
    });
    WORKSHOP_RUN(scratch, login(server) + "image pull -q " + server.address() + "/image && image verify");
    auto requests = server.requests();
    for (const auto& request : elsewhere.requests()) requests.push_back(request);
    elsewhere.become({{"/moved/" + digest, sample().layers[1]}});
    int moved = 0;
    for (const auto& request : requests) {
      if (!request.path.starts_with("/moved/")) continue;
      ++moved;
      CHECK(request.header("authorization") == (row.same ? kBasic : ""));
    }
    CHECK(moved == 1);
  }
}
