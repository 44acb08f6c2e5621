#include "common/tests/registry_server.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "common/sys/error.hpp"
#include "common/sys/process.hpp"
#include "common/testing/catch.hpp"
#include "common/tests/shell.hpp"

namespace workshop::testing {
namespace {

constexpr const char* kServer = "/usr/bin/docker-registry";

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

unique_fd tcp_socket() {
  return unique_fd(check(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket(AF_INET)"));
}

/// A port that nobody listens on now. Somebody may by the time the server starts: the caller tries again.
int free_port() {
  const unique_fd socket = tcp_socket();
  auto address = loopback(0);
  socklen_t size = sizeof address;
  check(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), "bind(127.0.0.1)");
  check(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), "getsockname()");
  return ntohs(address.sin_port);
}

bool accepts(int port) {
  const unique_fd socket = tcp_socket();
  const auto address = loopback(port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool has_ended(pid_t pid) {
  return ::waitpid(pid, nullptr, WNOHANG) == pid;
}

}  // namespace

std::string plain_registry() {
  return "version: 0.1\nlog: {level: warn}\nstorage: {filesystem: {rootdirectory: DATA}}\nhttp: {addr: "
         "ADDRESS}\n";
}

RegistryServer::RegistryServer(const std::string& configuration) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (start(configuration)) return;
  }
  throw std::runtime_error(fmt::format("docker-registry does not start: {}", read_file(scratch_ / "log")));
}

bool RegistryServer::start(const std::string& configuration) {
  const int port = free_port();
  address_ = fmt::format("127.0.0.1:{}", port);
  std::ofstream(scratch_ / "config.yml")
      << substituted(substituted(configuration, "ADDRESS", "'" + address_ + "'"), "DATA", scratch_ / "data");
  pid_ = check(::fork(), "fork()");
  if (pid_ == 0) {
    run_child([&] {
      check(::prctl(PR_SET_PDEATHSIG, SIGKILL), "prctl(PR_SET_PDEATHSIG)");  // when the test is killed
      const int log = ::open((scratch_ / "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
      const std::string config = scratch_ / "config.yml";
      ::execl(kServer, kServer, "serve", config.c_str(), nullptr);
      throw_error(errno, kServer);
    });
  }
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!accepts(port)) {
    if (has_ended(pid_)) return false;
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("docker-registry does not listen");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

RegistryServer::~RegistryServer() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void RegistryServer::push(const Scratch& scratch, const std::string& source, const std::string& name) const {
  WORKSHOP_RUN(scratch,
               fmt::format("skopeo --insecure-policy copy -q --dest-tls-verify=false {} docker://{}/{}",
                           source, address_, name));
}

std::string RegistryServer::blob(const std::string& digest) const {
  const std::string hex = digest.substr(digest.find(':') + 1);
  return scratch_ / ("data/docker/registry/v2/blobs/sha256/" + hex.substr(0, 2) + "/" + hex + "/data");
}

void RegistryServer::damage(const std::string& digest) const {
  std::fstream file(blob(digest), std::ios::in | std::ios::out | std::ios::binary);
  REQUIRE(file);
  file.seekg(0, std::ios::end);
  const auto middle = file.tellg() / 2;
  file.seekg(middle);
  const char byte = static_cast<char>(file.get() ^ 1);
  file.seekp(middle);
  file.put(byte);
}

std::string no_registry_because() {
  if (::access(kServer, X_OK) == -1) return "docker-registry is not installed (package docker-registry)";
  if (::access("/usr/bin/skopeo", X_OK) == -1) return "skopeo is not installed (package skopeo)";
  return "";
}

std::string debian_archive(std::string& why_not) {
  const Scratch scratch;
  const auto made = run(scratch, fmt::format("'{}' '{}/..'", WORKSHOP_DEBIAN_ARCHIVE, program_folder()));
  if (made.status == 0) return made.out.substr(0, made.out.find('\n'));
  why_not = "mmdebstrap makes no Debian root file system here: " +
            made.err.substr(made.err.size() - std::min<std::size_t>(made.err.size(), 300));
  return "";
}

}  // namespace workshop::testing
