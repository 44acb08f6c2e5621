#pragma once

#include <functional>
#include <mutex>

#include "common/image/blob_writer.hpp"
#include "common/image/http.hpp"

namespace workshop {

/// Where a registry is spoken to. docker.io has another host for that, and may have a mirror.
struct Endpoint {
  std::string url;          ///< "https://registry-1.docker.io"
  std::string credentials;  ///< the registry whose credentials are for it; empty: send none
  bool is_mirror = false;

  /// The places to ask for images of `registry`, best first: $WORKSHOP_REGISTRY, where it is set, stands
  /// before docker.io.
  static std::vector<Endpoint> of(const std::string& registry);
};

/// The registry has no such image, or does not let us see it: another place may have it.
struct NotThere : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An image's repository at a registry (OCI distribution specification, "Pull"). Answers 401 by authorizing
/// (Bearer or Basic), tries again where that may help, and gives up with a message that says what to do. Its
/// functions may be called from several threads, each with an HttpClient of its own.
class Registry {
 public:
  Registry(const Endpoint& endpoint, const ImageName& name);

  /// A manifest or index.
  struct Document {
    std::string text;
    Descriptor descriptor;
  };

  /// By tag or by digest, which is then verified. Throws NotThere.
  Document manifest(HttpClient& http, const std::string& reference);

  /// Fetches what `writer` lacks of the blob; `progress` is told how many bytes there are so far, which are
  /// none again when it has to begin anew. Throws Resumable if the network fails for good.
  void fetch(HttpClient& http, const Descriptor& blob, BlobWriter& writer,
             const std::function<void(std::uint64_t)>& progress);

 private:
  HttpResponse get(HttpClient& http, HttpRequest request, const std::string& what);
  HttpResponse authorized(HttpClient& http, HttpRequest& request);
  std::string authorize(HttpClient& http, const HttpResponse& refusal);
  std::string bearer_token(HttpClient& http, const std::string& challenge);
  bool may_pass(const HttpFailure& failure) const;
  [[noreturn]] void refuse(const HttpResponse& response, const std::string& what) const;

  const Endpoint endpoint_;
  const ImageName name_;
  std::atomic<bool> reached_ = false;
  std::mutex mutex_;           // of the next
  std::string authorization_;  // the header that worked last
};

}  // namespace workshop
