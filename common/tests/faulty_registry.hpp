#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "common/tests/tcp_server.hpp"

namespace workshop::testing {

inline constexpr std::size_t kAll = ~std::size_t{0};

/// A request, as it came.
struct Request {
  std::string path;  ///< with the query
  std::map<std::string, std::string> headers;
  std::uint64_t offset = 0;  ///< where the Range begins that is asked for
  int number = 0;            ///< how many came for this path before

  std::string header(const std::string& name) const;  ///< name in lower case; empty if there is none
};

/// An answer, and how it goes wrong.
struct Reply {
  int status = 200;
  std::string headers = {};  ///< lines, each with its "\r\n"
  std::string body = {};
  std::string length = {};         ///< what Content-Length says; empty: the truth; "none": nothing
  std::size_t reset_after = kAll;  ///< the connection is reset after so many bytes of the body
  std::size_t stall_after = kAll;  ///< after so many bytes nothing more comes, until the other side goes away
  std::chrono::milliseconds drip{0};  ///< a pause before each piece of the body
  std::size_t piece = kAll;           ///< bytes of the body at once
  bool reset_at_once = false;         ///< no answer at all
  std::string flood = {};             ///< sent as header lines again and again, without end
  bool endless = false;               ///< the body comes again and again
};

/// A registry of one image, "127.0.0.1:PORT/image", that misbehaves as its test wishes.
class FaultyRegistry {
 public:
  /// The answer to a request, given what a good registry would answer.
  using Fault = std::function<Reply(const Request&, Reply good)>;

  /// Documents and blobs by their path: "/v2/image/manifests/latest", "/v2/image/blobs/sha256:...".
  using Content = std::map<std::string, std::string>;

  explicit FaultyRegistry(Content content, const std::string& ip = "127.0.0.1");

  /// Puts content in place of what there is, forgets the requests, and misbehaves like this from now on.
  void become(Content content, Fault fault = {});

  int port() const { return server_.port(); }
  std::string address() const { return ip_ + ":" + std::to_string(port()); }

  /// All requests since become().
  std::vector<Request> requests() const;

  /// Bytes of blobs since become() that were sent or, for those the other side did not wait for, were to be.
  std::uint64_t blob_bytes() const;

 private:
  void serve(int socket);
  Reply reply_to(Request& request);
  bool send(int socket, const Reply& reply);

  const std::string ip_;
  mutable std::mutex mutex_;  // of the next four
  Content content_;
  Fault fault_;
  std::vector<Request> requests_;
  std::uint64_t blob_bytes_ = 0;
  TcpServer server_;  // last: its threads use the rest
};

}  // namespace workshop::testing
