#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/sys/fd.hpp"

namespace workshop::testing {

/// Listens on a free port of this machine and serves each connection in a thread of its own, until it is
/// destroyed.
class TcpServer {
 public:
  /// `serve` gets a connected socket, and returns when it is done with it.
  explicit TcpServer(std::function<void(int socket)> serve, const std::string& ip = "127.0.0.1");
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  int port() const { return port_; }

 private:
  void accept_all();
  void serve_one(unique_fd socket);

  const std::function<void(int)> serve_;
  unique_fd listener_;
  int port_ = 0;
  bool ending_ = false;
  std::mutex mutex_;  // of all below, and of ending_
  std::vector<int> open_;
  std::vector<std::jthread> connections_;
  std::jthread acceptor_;
};

/// A socket connected to a port of 127.0.0.1.
unique_fd connect_to(int port);

/// Sends all of it; false if the other side is gone.
bool send_all(int socket, const char* data, std::size_t size);

/// Ends the connection so that the other side gets "Connection reset by peer" (SO_LINGER, socket(7)).
void reset_when_closed(int socket);

}  // namespace workshop::testing
