// TCP sockets whose every operation has a deadline. Failures are Errors that say what was asked for.
#pragma once
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>

namespace bevgrad {

using Deadline = std::chrono::steady_clock::time_point;
Deadline deadline_in(std::chrono::milliseconds time);
/// Milliseconds that are left, for poll(); 0 once it has passed.
int milliseconds_left(Deadline deadline);

/// "127.0.0.1:29500", "[::1]:29500"
struct Endpoint {
  std::string host;
  int port = 0;

  std::string text() const;
};
/// The inverse of Endpoint::text(); a port must be there. Throws Error.
Endpoint parse_endpoint(const std::string& text);

/// A file descriptor with one owner.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  ~Socket() { close(); }
  Socket(Socket&& other) noexcept : descriptor_(other.release()) {}
  Socket& operator=(Socket&& other) noexcept;

  int descriptor() const { return descriptor_; }
  bool is_open() const { return descriptor_ >= 0; }
  int release();
  void close();

  /// All of the bytes, or Error.
  void send(const void* data, size_t size, Deadline deadline) const;
  void receive(void* data, size_t size, Deadline deadline) const;
  /// The addresses of this end and the other.
  Endpoint local() const;
  Endpoint peer() const;

 private:
  int descriptor_ = -1;
};

/// Tries the addresses of a host until one answers or the deadline has passed, also where its name is not known yet
/// (the name of a new service comes late). The socket does not block, sends at once and notices a peer that is gone for
/// good. Throws Error saying what the last try met.
Socket connect_to(const Endpoint& to, Deadline deadline);

/// Listens on exactly the address that the host's name stands for; port 0: any free one. A name that is not known (yet)
/// is asked for until the deadline. Throws Error.
Socket listen_on(const Endpoint& at, Deadline deadline = {});
/// The next connection that waits; nothing where there is none. Throws Error where the system has no room for it.
std::optional<Socket> accept_from(const Socket& listener);

/// What errno says, with the limit where files have run out.
std::string describe_errno(int code);
/// Lets this process open as many files as it may (65536 are enough); returns how many that are.
size_t raise_open_files();

/// The first address of a network interface, IPv4 before IPv6. Throws Error naming the interfaces that there are.
std::string address_of_interface(const std::string& name);
bool is_loopback(const std::string& address);

}  // namespace bevgrad
