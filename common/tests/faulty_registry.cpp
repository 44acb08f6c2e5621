#include "common/tests/faulty_registry.hpp"

#include <fmt/core.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <sstream>

namespace workshop::testing {
namespace {

/// The head of the next request; empty when there is none any more. `rest` keeps what came behind it.
std::string read_head(int socket, std::string& rest) {
  for (;;) {
    if (const auto end = rest.find("\r\n\r\n"); end != std::string::npos) {
      const std::string head = rest.substr(0, end + 2);
      rest.erase(0, end + 4);
      return head;
    }
    char buffer[4096];
    const ssize_t count = ::recv(socket, buffer, sizeof buffer, 0);
    if (count <= 0) return "";
    rest.append(buffer, static_cast<std::size_t>(count));
  }
}

Request parse(const std::string& head) {
  std::istringstream lines(head);
  std::string method;
  Request request;
  std::string line;
  lines >> method >> request.path;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    std::string name = line.substr(0, colon);
    std::transform(name.begin(), name.end(), name.begin(), ::tolower);
    request.headers[name] = line.substr(colon + 2, line.find('\r') - colon - 2);
  }
  if (const std::string range = request.header("range"); !range.empty())
    request.offset = std::stoull(range.substr(range.find('=') + 1));
  return request;
}

/// What a good registry answers.
Reply good_reply(const Request& request, const FaultyRegistry::Content& content) {
  const auto found = content.find(request.path);
  if (found == content.end())
    return {404, "", R"({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no such thing"}]})"};
  const std::string& body = found->second;
  if (request.offset == 0) return {200, "", body};
  if (request.offset >= body.size()) return {416};
  return {206, fmt::format("Content-Range: bytes {}-{}/{}\r\n", request.offset, body.size() - 1, body.size()),
          body.substr(request.offset)};
}

/// Until the other side goes away, or our own end is shut down.
void wait_for_end(int socket) {
  pollfd one{socket, POLLRDHUP, 0};
  ::poll(&one, 1, -1);
}

}  // namespace

std::string Request::header(const std::string& name) const {
  const auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

FaultyRegistry::FaultyRegistry(Content content, const std::string& ip)
    : ip_(ip), content_(std::move(content)), server_([this](int socket) { serve(socket); }, ip) {}

void FaultyRegistry::become(Content content, Fault fault) {
  const std::lock_guard guard(mutex_);
  content_ = std::move(content);
  fault_ = std::move(fault);
  requests_.clear();
  blob_bytes_ = 0;
}

std::vector<Request> FaultyRegistry::requests() const {
  const std::lock_guard guard(mutex_);
  return requests_;
}

std::uint64_t FaultyRegistry::blob_bytes() const {
  const std::lock_guard guard(mutex_);
  return blob_bytes_;
}

void FaultyRegistry::serve(int socket) {
  std::string rest;
  for (std::string head = read_head(socket, rest); !head.empty(); head = read_head(socket, rest)) {
    Request request = parse(head);
    const Reply reply = reply_to(request);
    if (!send(socket, reply)) return;
  }
}

Reply FaultyRegistry::reply_to(Request& request) {
  const std::lock_guard guard(mutex_);
  request.number = static_cast<int>(std::count_if(
      requests_.begin(), requests_.end(), [&](const Request& other) { return other.path == request.path; }));
  requests_.push_back(request);
  Reply reply = good_reply(request, content_);
  if (fault_) reply = fault_(request, std::move(reply));
  if (request.path.find("/blobs/") != std::string::npos && reply.status / 100 == 2)
    blob_bytes_ += reply.body.size();
  return reply;
}

bool FaultyRegistry::send(int socket, const Reply& reply) {
  if (reply.reset_at_once) return reset_when_closed(socket), false;
  std::string head = fmt::format("HTTP/1.1 {} Whatever\r\n{}", reply.status, reply.headers);
  if (reply.length != "none")
    head += fmt::format("Content-Length: {}\r\n",
                        reply.length.empty() ? std::to_string(reply.body.size()) : reply.length);
  if (!reply.flood.empty()) {
    if (!send_all(socket, head.data(), head.size())) return false;
    while (send_all(socket, reply.flood.data(), reply.flood.size())) continue;
    return false;
  }
  head += "\r\n";
  if (!send_all(socket, head.data(), head.size())) return false;
  do {
    const std::size_t stop = std::min({reply.body.size(), reply.reset_after, reply.stall_after});
    for (std::size_t at = 0; at < stop; at += std::min(reply.piece, stop - at)) {
      if (reply.drip.count() > 0) std::this_thread::sleep_for(reply.drip);
      if (!send_all(socket, reply.body.data() + at, std::min(reply.piece, stop - at))) return false;
    }
  } while (reply.endless);
  if (reply.stall_after != kAll) return wait_for_end(socket), false;
  if (reply.reset_after != kAll) return reset_when_closed(socket), false;
  return reply.length.empty();  // one that lied about the length ends the connection
}

}  // namespace workshop::testing
