#include "common/image/http.hpp"

#include <curl/curl.h>
#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cmath>
#include <cstring>
#include <exception>
#include <memory>
#include <utility>

#include "common/image/interrupt.hpp"
#include "common/image/manifest.hpp"
#include "common/image/patience.hpp"

namespace workshop {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

constexpr double kStallSeconds = 30;  // times patience(), as the next
constexpr double kConnectSeconds = 15;
constexpr int kMaxRedirects = 10;
constexpr std::size_t kMaxErrorBody = 64 << 10;
constexpr std::size_t kMaxHeaders = 256 << 10;  // bytes
constexpr std::size_t kMaxHeaderLines = 1000;   // libcurl has a limit of its own, and another message

/// A part of a URL; empty if it has none.
std::string part_of(const std::string& url, CURLUPart part, unsigned flags = 0) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  char* text = nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "";
  if (curl_url_get(parsed.get(), part, &text, flags) != CURLUE_OK) return "";
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, curl_free);
  return text;
}

/// `location` as seen from `url`: a redirect may be relative (RFC 9110, section 10.2.2).
std::string resolve(const std::string& url, const std::string& location) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  char* text = nullptr;
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK ||
      curl_url_set(parsed.get(), CURLUPART_URL, location.c_str(), 0) != CURLUE_OK ||
      curl_url_get(parsed.get(), CURLUPART_URL, &text, 0) != CURLUE_OK) {
    throw BadAnswer(
        fmt::format("{} redirects to a place that is no URL: {}", origin_of(url), harmless(location)));
  }
  const std::unique_ptr<char, decltype(&curl_free)> owned(text, curl_free);
  return text;
}

/// Throws for what may not be fetched. `before` is the URL that redirected here, or empty.
void require_allowed(const HttpRequest& request, const std::string& before) {
  const std::string scheme = part_of(request.url, CURLUPART_SCHEME);
  if (scheme == "https") return;
  if (part_of(before, CURLUPART_SCHEME) == "https") {
    throw BadAnswer(
        fmt::format("refused to fetch {}: {} was asked with https, and sends on to where there is none",
                    harmless(request.url), origin_of(before)));
  }
  const std::string host = part_of(request.url, CURLUPART_HOST);
  if (scheme == "http" && (is_loopback(host) || origin_of(request.url) == request.plain_origin)) return;
  throw BadAnswer(
      fmt::format("refused to fetch {}: without https anybody on the way could read and change it; plain "
                  "HTTP is for registries on this machine only",
                  harmless(request.url)));
}

/// Where the callbacks of one transfer find their things.
struct Transfer {
  const HttpRequest& request;
  const std::atomic<bool>* cancelled;
  CURL* curl;
  HttpResponse response{};
  bool begun = false;
  bool enough = false;                                   // of an error's text: the rest is not waited for
  std::size_t header_bytes = 0, header_lines = 0;        // "100 Continue" and the like included
  std::exception_ptr failure{};                          // on its way through libcurl
  steady_clock::time_point heard = steady_clock::now();  // when something came last, and was dealt with
  const duration<double> stall{kStallSeconds * patience()};

  void begin() {
    begun = true;
    if (!request.begin) return;
    // A server that ignores Range answers 200 with everything; one that does not says where it begins.
    const bool partial = response.status == 206;
    const std::string wanted = fmt::format("bytes {}-", request.offset);
    const bool continues =
        partial ? response.header("content-range").starts_with(wanted) : request.offset == 0;
    request.begin(continues);
    if (!partial || continues) return;
    throw HttpFailure(fmt::format("{} sent another part than the one asked for", origin_of(request.url)),
                      true);
  }

  void take(std::span<const std::byte> bytes) {
    if (response.status == 0) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
    if (response.ok() && !begun) begin();
    if (response.ok() && request.sink) return request.sink(bytes);
    const std::size_t most = response.ok() ? kMaxDocument : kMaxErrorBody;
    if (response.ok() && response.body.size() + bytes.size() > most) {
      throw BadAnswer(
          fmt::format("{} sent a document of more than {} MiB", origin_of(request.url), most >> 20));
    }
    response.body.append(reinterpret_cast<const char*>(bytes.data()),
                         std::min(bytes.size(), most - response.body.size()));
    enough = !response.ok() && response.body.size() == most;
  }
};

std::size_t on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    transfer.take(std::as_bytes(std::span(data, size)));
    transfer.heard = steady_clock::now();  // a slow disk is not the server's fault
    return transfer.enough ? CURL_WRITEFUNC_ERROR : size;
  } catch (...) {
    transfer.failure = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

std::size_t on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  auto& headers = transfer.response.headers;
  const std::string line(data, size);
  transfer.heard = steady_clock::now();
  transfer.header_bytes += size;
  if (transfer.header_bytes > kMaxHeaders || ++transfer.header_lines > kMaxHeaderLines) {
    transfer.failure = std::make_exception_ptr(
        BadAnswer(fmt::format("{} sends headers without end", origin_of(transfer.request.url))));
    return 0;
  }
  if (line.starts_with("HTTP/")) headers.clear();  // "100 Continue" and the like come first
  const auto colon = line.find(':');
  if (colon == std::string::npos) return size;
  std::string name = line.substr(0, colon);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto first = line.find_first_not_of(" \t", colon + 1);
  const auto last = line.find_last_not_of(" \t\r\n");
  headers.emplace(name,
                  first == std::string::npos || last < first ? "" : line.substr(first, last - first + 1));
  return size;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  // libcurl's own CURLOPT_LOW_SPEED_TIME looks at an average, and takes six seconds more after a fast start.
  if (steady_clock::now() - transfer.heard > transfer.stall) {
    transfer.failure = std::make_exception_ptr(HttpFailure(
        fmt::format("{}: nothing came for {:.1f} s", origin_of(transfer.request.url), transfer.stall.count()),
        true));
    return 1;
  }
  return is_interrupted() || (transfer.cancelled && *transfer.cancelled) ? 1 : 0;
}

/// Errors that a second try may not meet: what was there went away in the middle.
bool is_transient(CURLcode code) {
  switch (code) {
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
      return true;
    default:
      return false;
  }
}

bool is_unreachable(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST;
}

struct Headers {
  curl_slist* list = nullptr;
  ~Headers() { curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

void set_options(CURL* curl, const HttpRequest& request) {
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "containers-by-hand");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, std::lround(kConnectSeconds * patience() * 1000));
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 512L << 10);
  curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // A proxy has its own idea of what 127.0.0.1 is.
  if (is_loopback(part_of(request.url, CURLUPART_HOST))) curl_easy_setopt(curl, CURLOPT_PROXY, "");
  if (request.form) curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, request.form->c_str());
  if (request.offset > 0) curl_easy_setopt(curl, CURLOPT_RANGE, fmt::format("{}-", request.offset).c_str());
}

}  // namespace

std::string HttpResponse::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

HttpClient::HttpClient(const std::atomic<bool>* cancelled) : cancelled_(cancelled) {
  static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  curl_ = initialised == CURLE_OK ? curl_easy_init() : nullptr;
  if (!curl_) throw std::runtime_error("libcurl does not start");
}

HttpClient::~HttpClient() {
  curl_easy_cleanup(curl_);
}

HttpResponse HttpClient::perform(HttpRequest request) {
  const std::string origin = origin_of(request.url);
  std::string before;
  for (int redirects = 0; redirects <= kMaxRedirects; ++redirects) {
    require_allowed(request, before);
    HttpResponse response = perform_once(request);
    const std::string location = response.header("location");
    if (response.status < 300 || response.status >= 400 || location.empty()) return response;
    before = std::exchange(request.url, resolve(request.url, location));
    request.form.reset();
    if (origin_of(request.url) != origin) request.authorization.clear();
  }
  throw BadAnswer(fmt::format("{} redirects without end", origin));
}

HttpResponse HttpClient::perform_once(const HttpRequest& request) {
  throw_if_interrupted();
  curl_easy_reset(curl_);  // connections stay open
  set_options(curl_, request);
  Headers headers;
  for (const auto& line : request.headers) headers.add(line);
  if (!request.authorization.empty()) headers.add("Authorization: " + request.authorization);
  Transfer transfer{request, cancelled_, curl_};
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl_, CURLOPT_HTTPHEADER, headers.list);
  curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, on_progress);
  curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, &transfer);
  const CURLcode code = curl_easy_perform(curl_);
  if (transfer.failure) std::rethrow_exception(transfer.failure);
  throw_if_interrupted();
  if (code != CURLE_OK && !transfer.enough) {
    throw HttpFailure(
        fmt::format("{}: {}", origin_of(request.url), reason[0] ? reason : curl_easy_strerror(code)),
        is_transient(code), is_unreachable(code));
  }
  curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  if (transfer.response.ok() && !transfer.begun) transfer.begin();  // an answer without a body
  return std::move(transfer.response);
}

std::string origin_of(const std::string& url) {
  return fmt::format("{}://{}:{}", part_of(url, CURLUPART_SCHEME), part_of(url, CURLUPART_HOST),
                     part_of(url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
}

bool is_loopback(const std::string& host_and_port) {
  std::string host = host_and_port;
  if (host.starts_with("[")) {
    host = host.substr(0, host.find(']') + 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  if (host == "localhost" || host == "[::1]") return true;
  // All of 127.0.0.0/8; "127.evil.example" is a name like any other.
  return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 &&
         host.find_first_not_of("0123456789.") == std::string::npos;
}

std::string harmless(const std::string& text, std::size_t most) {
  std::string result;
  for (const char c : text.substr(0, most)) {
    const auto code = static_cast<unsigned char>(c);
    result += code < 0x20 || code >= 0x7f ? '?' : c;
  }
  return result;
}

}  // namespace workshop
