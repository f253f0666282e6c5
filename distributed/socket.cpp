#include "distributed/socket.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "base/console.h"
#include "base/error.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;

struct Address {
  sockaddr_storage bytes = {};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&bytes); }
};

Endpoint endpoint_of(const sockaddr_storage& bytes) {
  char text[INET6_ADDRSTRLEN] = "?";
  int port = 0;
  if (bytes.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(bytes);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
    port = ntohs(v6.sin6_port);
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(bytes);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
    port = ntohs(v4.sin_port);
  }
  return {text, port};
}

/// Asks until the deadline where nobody knows the name.
std::vector<Address> resolve(const Endpoint& endpoint, Deadline deadline) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  for (bool told = false;; told = true) {
    const int code = getaddrinfo(endpoint.host.c_str(), std::to_string(endpoint.port).c_str(), &hints, &found);
    if (code == 0) break;
    if (milliseconds_left(deadline) == 0)
      fail(
          "{}: cannot find the address of this host: {} (MASTER_ADDR names the first machine; an address in numbers "
          "needs no name service)",
          endpoint.host, gai_strerror(code));
    if (!told)
      write_console(stderr,
                    fmt::format("bevgrad: {}: cannot find the address of this host yet: {}; asking again for {} s\n",
                                endpoint.host, gai_strerror(code), milliseconds_left(deadline) / 1000));
    std::this_thread::sleep_for(std::chrono::milliseconds(std::min(500, milliseconds_left(deadline))));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, freeaddrinfo);
  std::vector<Address> addresses;
  for (const addrinfo* next = found; next; next = next->ai_next) {
    Address address;
    std::memcpy(&address.bytes, next->ai_addr, next->ai_addrlen);
    address.size = next->ai_addrlen;
    addresses.push_back(address);
  }
  return addresses;
}

Socket open_socket(int family) {
  Socket socket(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  check(socket.is_open(), "cannot open a socket: {}", describe_errno(errno));
  return socket;
}

void tune(const Socket& socket) {
  const int on = 1, idle = 10, interval = 5, count = 6;
  const int descriptor = socket.descriptor();
  setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
  setsockopt(descriptor, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

/// 0, or what went wrong.
int try_connect(const Socket& socket, const Address& address, Deadline deadline) {
  if (::connect(socket.descriptor(), address.get(), address.size) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd wait = {socket.descriptor(), POLLOUT, 0};
  int ready = 0;
  do {
    ready = poll(&wait, 1, milliseconds_left(deadline));
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return ETIMEDOUT;
  int code = 0;
  socklen_t size = sizeof(code);
  getsockopt(socket.descriptor(), SOL_SOCKET, SO_ERROR, &code, &size);
  return code;
}

}  // namespace

Deadline deadline_in(std::chrono::milliseconds time) {
  return Clock::now() + time;
}

int milliseconds_left(Deadline deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 1 << 30));
}

std::string Endpoint::text() const {
  return host.find(':') == std::string::npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Endpoint parse_endpoint(const std::string& text) {
  const size_t colon = text.rfind(':');
  Endpoint endpoint;
  if (colon != std::string::npos) {
    endpoint.host = text.substr(0, colon);
    const char* last = text.data() + text.size();
    const auto [end, code] = std::from_chars(text.data() + colon + 1, last, endpoint.port);
    if (code != std::errc() || end != last) endpoint.port = 0;
  }
  if (endpoint.host.size() > 2 && endpoint.host.front() == '[' && endpoint.host.back() == ']')
    endpoint.host = endpoint.host.substr(1, endpoint.host.size() - 2);
  check(!endpoint.host.empty() && endpoint.port > 0 && endpoint.port <= 65535, "\"{}\": expected host:port", text);
  return endpoint;
}

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = other.release();
  }
  return *this;
}

int Socket::release() {
  const int descriptor = descriptor_;
  descriptor_ = -1;
  return descriptor;
}

void Socket::close() {
  if (descriptor_ >= 0) ::close(descriptor_);
  descriptor_ = -1;
}

void Socket::send(const void* data, size_t size, Deadline deadline) const {
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t sent = ::send(descriptor_, next, size, MSG_NOSIGNAL);
    if (sent > 0) {
      next += sent;
      size -= static_cast<size_t>(sent);
      continue;
    }
    if (sent < 0 && errno == EINTR) continue;
    check(sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK), "the connection broke: {}", std::strerror(errno));
    pollfd wait = {descriptor_, POLLOUT, 0};
    check(poll(&wait, 1, milliseconds_left(deadline)) != 0, "the other end takes nothing: timed out");
  }
}

void Socket::receive(void* data, size_t size, Deadline deadline) const {
  char* next = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = recv(descriptor_, next, size, 0);
    if (got > 0) {
      next += got;
      size -= static_cast<size_t>(got);
      continue;
    }
    check(got != 0, "the other end closed the connection");
    if (errno == EINTR) continue;
    check(errno == EAGAIN || errno == EWOULDBLOCK, "the connection broke: {}", std::strerror(errno));
    pollfd wait = {descriptor_, POLLIN, 0};
    check(poll(&wait, 1, milliseconds_left(deadline)) != 0, "no answer: timed out");
  }
}

Endpoint Socket::local() const {
  sockaddr_storage bytes = {};
  socklen_t size = sizeof(bytes);
  getsockname(descriptor_, reinterpret_cast<sockaddr*>(&bytes), &size);
  return endpoint_of(bytes);
}

Endpoint Socket::peer() const {
  sockaddr_storage bytes = {};
  socklen_t size = sizeof(bytes);
  getpeername(descriptor_, reinterpret_cast<sockaddr*>(&bytes), &size);
  return endpoint_of(bytes);
}

Socket connect_to(const Endpoint& to, Deadline deadline) {
  // Whoever listens may not have started yet: tries again, at growing intervals that differ between processes.
  auto pause = std::chrono::milliseconds(10 + getpid() % 10);
  for (;;) {
    int code = ETIMEDOUT;
    for (const Address& address : resolve(to, deadline)) {
      Socket socket = open_socket(address.bytes.ss_family);
      code = try_connect(socket, address, deadline);
      if (code == 0) {
        tune(socket);
        return socket;
      }
    }
    check(milliseconds_left(deadline) > 0, "{}: cannot connect: {}", to.text(), std::strerror(code));
    std::this_thread::sleep_for(std::min(pause, std::chrono::milliseconds(milliseconds_left(deadline))));
    pause = std::min(pause * 2, std::chrono::milliseconds(500));
  }
}

Socket listen_on(const Endpoint& at, Deadline deadline) {
  int code = EADDRNOTAVAIL;
  for (const Address& address : resolve(at, deadline)) {
    Socket socket = open_socket(address.bytes.ss_family);
    const int on = 1;
    setsockopt(socket.descriptor(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(socket.descriptor(), address.get(), address.size) == 0 && listen(socket.descriptor(), 1024) == 0)
      return socket;
    code = errno;
  }
  fail("{}: cannot listen here: {}{}", at.text(), std::strerror(code),
       code == EADDRINUSE      ? " (is another run on this port? set another MASTER_PORT)"
       : code == EADDRNOTAVAIL ? " (it must be an address of the machine of rank 0)"
                               : "");
}

std::optional<Socket> accept_from(const Socket& listener) {
  const int descriptor = accept4(listener.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  check(descriptor >= 0 || (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM),
        "cannot take a connection: {}", describe_errno(errno));
  if (descriptor < 0) return std::nullopt;
  Socket socket(descriptor);
  tune(socket);
  return socket;
}

std::string describe_errno(int code) {
  const std::string text = std::strerror(code);
  rlimit limit = {};
  if (code != EMFILE || getrlimit(RLIMIT_NOFILE, &limit) != 0) return text;
  return fmt::format("{} (ulimit -n {})", text, limit.rlim_cur);
}

size_t raise_open_files() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  // No more than could ever be of use: programs that this one starts inherit it, and some walk through all numbers.
  const rlimit wanted = {std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, 1 << 16)), limit.rlim_max};
  return setrlimit(RLIMIT_NOFILE, &wanted) == 0 ? wanted.rlim_cur : limit.rlim_cur;
}

std::string address_of_interface(const std::string& name) {
  ifaddrs* found = nullptr;
  check(getifaddrs(&found) == 0, "cannot list the network interfaces: {}", std::strerror(errno));
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(found, freeifaddrs);
  std::string names;
  for (const int family : {AF_INET, AF_INET6}) {
    for (const ifaddrs* next = found; next; next = next->ifa_next) {
      if (!next->ifa_addr || next->ifa_addr->sa_family != family) continue;
      sockaddr_storage bytes = {};
      std::memcpy(&bytes, next->ifa_addr, family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
      if (next->ifa_name == name) return endpoint_of(bytes).host;
      if (names.find(next->ifa_name) == std::string::npos)
        names += (names.empty() ? "" : ", ") + std::string(next->ifa_name);
    }
  }
  fail("there is no network interface \"{}\" with an address, only {}", name, names);
}

bool is_loopback(const std::string& address) {
  return address.starts_with("127.") || address == "::1";
}

}  // namespace bevgrad
