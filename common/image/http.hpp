#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

namespace workshop {

/// Nothing, or not all, came over the network.
struct HttpFailure : std::runtime_error {
  HttpFailure(const std::string& what, bool may_pass, bool unreachable = false)
      : std::runtime_error(what), transient(may_pass), no_connection(unreachable) {}
  bool transient;      ///< it may work when tried again
  bool no_connection;  ///< nobody is there: a wrong name, or somebody who is being restarted
};

/// An answer that no sane server gives, or that may not be followed: another try would bring the same.
struct BadAnswer : HttpFailure {
  explicit BadAnswer(const std::string& what) : HttpFailure(what, false) {}
};

/// Scheme, host and port of a URL: what credentials are meant for. "https://registry-1.docker.io",
/// "http://[::1]:5000"
std::string origin_of(const std::string& url);

/// Whether the host, with or without a port, is this machine itself: localhost, 127.0.0.0/8, [::1].
bool is_loopback(const std::string& host);

/// A request and what to do with its answer.
struct HttpRequest {
  std::string url;
  std::vector<std::string> headers{};  ///< "Accept: ..."
  std::string authorization{};         ///< for the origin of `url` alone; not sent on to where that redirects
  std::optional<std::string> form{};   ///< POST this instead of GET
  std::uint64_t offset = 0;            ///< ask for the bytes from here on (Range)
  std::optional<std::string>
      plain_origin{};  ///< may be spoken to in plain HTTP although it is not this machine

  /// Called once before the first byte of a successful answer: its status, and whether it begins at `offset`.
  std::function<void(bool continues)> begin{};
  /// Gets the bytes of a successful answer; without it they are collected in HttpResponse::body.
  std::function<void(std::span<const std::byte>)> sink{};
};

struct HttpResponse {
  long status = 0;
  std::multimap<std::string, std::string> headers;  ///< names in lower case
  std::string body;                                 ///< at most kMaxDocument; of errors the first 64 KiB

  bool ok() const { return status >= 200 && status < 300; }
  std::string header(const std::string& name) const;  ///< empty if there is none
};

/// HTTP(S) by libcurl, with its proxies from the environment. One for each thread; keeps connections open.
///
/// There is no limit to how long a transfer takes, only to how long nothing comes (see patience()). Plain
/// HTTP is spoken on loopback only. Redirects are followed, ten at most, and never from https to plain HTTP.
class HttpClient {
 public:
  /// `cancelled`, which may be null, ends a transfer from another thread.
  explicit HttpClient(const std::atomic<bool>* cancelled = nullptr);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Any answer is returned, also "404 Not Found". Throws HttpFailure where none came, Interrupted, and what
  /// the request's functions throw.
  HttpResponse perform(HttpRequest request);

  const std::atomic<bool>* cancelled() const { return cancelled_; }

 private:
  HttpResponse perform_once(const HttpRequest& request);

  void* curl_;
  const std::atomic<bool>* cancelled_;
};

/// Text from elsewhere, made safe for a terminal or a header line: no control characters, and not endless.
std::string harmless(const std::string& text, std::size_t most = 300);

}  // namespace workshop
