#include "common/image/registry.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/image/challenge.hpp"
#include "common/image/credentials.hpp"
#include "common/image/retry.hpp"
#include "common/image/say.hpp"
#include "common/sys/error.hpp"

namespace workshop {
namespace {

constexpr const char* kDockerHub = "docker.io";

std::string mirror() {
  const char* value = std::getenv("WORKSHOP_REGISTRY");
  std::string url = value ? value : "";
  while (url.ends_with("/")) url.pop_back();
  if (url.empty() || url.find("://") != std::string::npos) return url;
  return (is_loopback(url) ? "http://" : "https://") + url;
}

/// What the registry says went wrong: {"errors": [{"code": ..., "message": ...}]} (distribution
/// specification, "Error Codes").
std::string reason_in(const HttpResponse& response) {
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  try {
    const auto& error = json.at("errors").at(0);
    const std::string message = error.value("message", "");
    return ": " + harmless(message.empty() ? error.value("code", "") : message);
  } catch (const nlohmann::json::exception&) {
    return "";  // an answer of something else than a registry
  }
}

/// Answers that may be another one in a moment.
bool is_transient(long status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 || status == 504;
}

std::string accepted_manifests() {
  std::string list;
  for (const char* type : {media_type::oci_index, media_type::oci_manifest, media_type::docker_list,
                           media_type::docker_manifest}) {
    list += (list.empty() ? "" : ", ") + std::string(type);
  }
  return "Accept: " + list;
}

constexpr const char* kRateLimit =
    "it limits how many images may be fetched from one address, and everybody in the room shares yours: log "
    "in with "
    "'docker login', or set WORKSHOP_REGISTRY to a mirror (the instructor's), or try again later";

}  // namespace

std::vector<Endpoint> Endpoint::of(const std::string& registry) {
  if (registry != kDockerHub) {
    return {{(is_loopback(registry) ? "http://" : "https://") + registry, registry}};
  }
  std::vector<Endpoint> endpoints;
  if (const std::string url = mirror(); !url.empty()) {
    // Credentials do not travel where anybody could read them.
    const bool encrypted = url.starts_with("https://");
    const std::string host = url.substr(url.find("://") + 3);
    endpoints.push_back({url, encrypted || is_loopback(host) ? host : "", true});
  }
  endpoints.push_back({"https://registry-1.docker.io", kDockerHub});
  return endpoints;
}

Registry::Registry(const Endpoint& endpoint, const ImageName& name) : endpoint_(endpoint), name_(name) {}

Registry::Document Registry::manifest(HttpClient& http, const std::string& reference) {
  HttpRequest request{fmt::format("{}/v2/{}/manifests/{}", endpoint_.url, name_.repository, reference),
                      {accepted_manifests()}};
  const HttpResponse response = get(http, request, name_.familiar());
  // Nothing of it is looked at before its digest is right.
  const Digest digest = digest_of(response.body);
  const std::string promised =
      reference.starts_with("sha256:") ? reference : response.header("docker-content-digest");
  if (promised.empty() || promised == digest.string())
    return {response.body, {media_type_of(response.body), digest, response.body.size()}};
  throw std::runtime_error(fmt::format("wrong digest: {} sent a manifest for {} that has {}, not {}",
                                       endpoint_.url, name_.familiar(), digest.string(), harmless(promised)));
}

void Registry::fetch(HttpClient& http, const Descriptor& blob, BlobWriter& writer,
                     const std::function<void(std::uint64_t)>& progress) {
  Retry retry(http.cancelled());
  for (;;) {
    const std::uint64_t before = writer.offset();
    HttpRequest request{
        fmt::format("{}/v2/{}/blobs/{}", endpoint_.url, name_.repository, blob.digest.string())};
    if (before > 0 && before >= blob.size) return;  // all of it was kept
    request.offset = before;
    request.begin = [&](bool continues) {
      if (continues) return;
      writer.restart();
      progress(0);
    };
    request.sink = [&](std::span<const std::byte> bytes) {
      writer.write(bytes);
      progress(writer.offset());
    };
    try {
      const HttpResponse response =
          get(http, request, fmt::format("{} of {}", blob.digest.string().substr(0, 19), name_.familiar()));
      if (writer.offset() >= blob.size) return;
      const std::string problem =
          fmt::format("{} ended after {} of {} bytes", endpoint_.url, writer.offset(), blob.size);
      if (!response.header("content-length").empty()) throw std::runtime_error("wrong size: " + problem);
      throw HttpFailure(problem, true);
    } catch (const HttpFailure& failure) {
      if (writer.offset() > before + (64 << 10)) retry.progress();
      if (!may_pass(failure) || !retry.wait(failure.what())) {
        throw Resumable(
            fmt::format("{}; what came so far is kept: the next pull goes on from there", failure.what()));
      }
    }
  }
}

HttpResponse Registry::get(HttpClient& http, HttpRequest request, const std::string& what) {
  if (endpoint_.is_mirror) request.plain_origin = origin_of(endpoint_.url);
  Retry retry(http.cancelled());
  for (;;) {
    long status = 0;
    std::string reason;
    std::string retry_after;
    try {
      const HttpResponse response = authorized(http, request);
      if (response.ok()) return response;
      if (response.status == 416 && request.offset > 0) {
        // What was kept ends where the blob does, or after it (RFC 9110, section 15.5.17): from the
        // beginning.
        request.begin(false);
        request.offset = 0;
        continue;
      }
      status = response.status;
      if (!is_transient(status)) refuse(response, what);
      retry_after = response.header("retry-after");
      reason = fmt::format("{} answers {}{}", endpoint_.url, response.status, reason_in(response));
    } catch (const HttpFailure& failure) {
      // Bytes of a blob may have come: fetch() goes on behind them.
      if (request.sink || !may_pass(failure)) throw;
      reason = failure.what();
    }
    if (!retry.wait(reason, retry_after)) {
      if (status == 429) reason += fmt::format("; {}", kRateLimit);
      const std::string when =
          retry_after.empty() ? "" : fmt::format(" (it says: Retry-After {})", harmless(retry_after));
      throw Resumable(fmt::format("cannot get {}: {}{}", what, reason, when));
    }
  }
}

/// Nobody there: once it has answered, it is being restarted, or the network is; before, the name is wrong.
bool Registry::may_pass(const HttpFailure& failure) const {
  return failure.transient || (failure.no_connection && reached_);
}

HttpResponse Registry::authorized(HttpClient& http, HttpRequest& request) {
  {
    const std::lock_guard guard(mutex_);
    request.authorization = authorization_;
  }
  HttpResponse response = http.perform(request);
  reached_ = true;
  if (response.status != 401) return response;
  request.authorization = authorize(http, response);  // the first time, or the token has run out
  if (request.authorization.empty()) return response;
  response = http.perform(request);
  return response;
}

std::string Registry::authorize(HttpClient& http, const HttpResponse& refusal) {
  std::string header;
  const auto [first, last] = refusal.headers.equal_range("www-authenticate");
  for (auto it = first; it != last; ++it) {
    const Challenge challenge = Challenge::parse(it->second);
    if (challenge.scheme == "bearer") {
      const std::string token = bearer_token(http, it->second);
      header = token.empty() ? "" : "Bearer " + token;
      break;
    }
    const auto credentials = credentials_for(endpoint_.credentials);
    if (challenge.scheme == "basic" && credentials && !credentials->basic.empty())
      header = "Basic " + credentials->basic;
  }
  const std::lock_guard guard(mutex_);
  authorization_ = header;
  return header;
}

std::string Registry::bearer_token(HttpClient& http, const std::string& text) {
  Challenge challenge = Challenge::parse(text);
  std::string scope = challenge.parameters["scope"];
  if (scope.empty()) scope = fmt::format("repository:{}:pull", name_.repository);
  const std::string service = challenge.parameters["service"];
  const auto credentials = credentials_for(endpoint_.credentials);
  HttpRequest request{challenge.parameters["realm"]};
  if (credentials && !credentials->identity_token.empty()) {
    request.form = fmt::format(
        "grant_type=refresh_token&client_id=containers-by-hand&service={}&scope={}&refresh_token={}",
        url_encoded(service), url_encoded(scope), url_encoded(credentials->identity_token));
  } else {
    request.url +=
        fmt::format("{}service={}&scope={}", request.url.find('?') == std::string::npos ? "?" : "&",
                    url_encoded(service), url_encoded(scope));
    if (credentials) request.authorization = "Basic " + credentials->basic;
  }
  if (endpoint_.is_mirror) request.plain_origin = origin_of(endpoint_.url);
  const HttpResponse response = http.perform(request);
  if (is_transient(response.status)) {
    throw HttpFailure(fmt::format("{}, which gives out the token for {}, answers {}", origin_of(request.url),
                                  name_.familiar(), response.status),
                      true);
  }
  if (!response.ok()) return "";  // the caller says that we were not let in
  const auto json = nlohmann::json::parse(response.body, nullptr, false);
  for (const char* key : {"token", "access_token"}) {
    if (!json.is_object()) break;
    if (const auto token = json.find(key); token != json.end() && token->is_string()) {
      // Whatever it is, it becomes a header line.
      return harmless(token->get<std::string>(), 64 << 10);
    }
  }
  throw BadAnswer(fmt::format("{} gave no token", origin_of(request.url)));
}

void Registry::refuse(const HttpResponse& response, const std::string& what) const {
  const std::string reason = reason_in(response);
  switch (response.status) {
    case 404:
      throw NotThere(fmt::format("{} has no {}{}; check the name and the tag", endpoint_.url, what, reason));
    case 401:
    case 403:
      throw NotThere(
          fmt::format("{} does not give out {}{}: there is no such image, or it is private; check the name, "
                      "or log in with "
                      "'docker login {}'",
                      endpoint_.url, what, reason, name_.registry));
    default:
      throw std::runtime_error(fmt::format("{} answers {} for {}{}: is it a registry?", endpoint_.url,
                                           response.status, what, reason));
  }
}

}  // namespace workshop
