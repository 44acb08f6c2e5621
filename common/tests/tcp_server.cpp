#include "common/tests/tcp_server.hpp"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>

#include "common/sys/error.hpp"

namespace workshop::testing {
namespace {

sockaddr_in address_of(const std::string& ip, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, ip.c_str(), &address.sin_addr);
  return address;
}

unique_fd tcp_socket() {
  return unique_fd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket(AF_INET)"));
}

}  // namespace

TcpServer::TcpServer(std::function<void(int)> serve, const std::string& ip)
    : serve_(std::move(serve)), listener_(tcp_socket()) {
  auto address = address_of(ip, 0);
  socklen_t size = sizeof address;
  check(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size), "bind({})", ip);
  check(::listen(listener_.get(), 64), "listen({})", ip);
  check(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname()");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { accept_all(); });
}

TcpServer::~TcpServer() {
  {
    const std::lock_guard guard(mutex_);
    ending_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);  // ends accept(2)
    for (const int socket : open_) ::shutdown(socket, SHUT_RDWR);
  }
  acceptor_.join();  // no connection is added after this
  connections_.clear();
}

void TcpServer::accept_all() {
  for (;;) {
    unique_fd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    const std::lock_guard guard(mutex_);
    if (ending_ || !socket) return;
    open_.push_back(socket.get());
    connections_.emplace_back([this](unique_fd accepted) { serve_one(std::move(accepted)); },
                              std::move(socket));
  }
}

void TcpServer::serve_one(unique_fd socket) {
  serve_(socket.get());
  const std::lock_guard guard(mutex_);
  std::erase(open_, socket.get());
  socket.reset();
}

unique_fd connect_to(int port) {
  unique_fd socket = tcp_socket();
  const auto address = address_of("127.0.0.1", port);
  check(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address),
        "connect(127.0.0.1:{})", port);
  return socket;
}

bool send_all(int socket, const char* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
  return true;
}

void reset_when_closed(int socket) {
  const linger at_once{1, 0};
  ::setsockopt(socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace workshop::testing
