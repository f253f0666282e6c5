#include "internal/unix_listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace bevgrad {
namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path))
    throw UsageError(fmt::format("unix:{}: a socket's path has 1 to {} bytes", path, sizeof(address.sun_path) - 1));
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int new_socket() {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  check(descriptor >= 0, "no socket can be had: {}", std::strerror(errno));
  return descriptor;
}

/// Removes what a process that is gone has left.
void make_way(const std::string& path, const sockaddr_un& address) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return;
  if (!S_ISSOCK(status.st_mode)) throw UsageError(fmt::format("unix:{}: there is a file of that name", path));
  const int probe = new_socket();
  const bool answers = ::connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const bool is_left = !answers && errno == ECONNREFUSED;
  ::close(probe);
  if (!is_left) throw UsageError(fmt::format("unix:{}: another process listens there", path));
  ::unlink(path.c_str());
}

}  // namespace

UnixListener::UnixListener(const std::string& path) : path_(path), descriptor_(-1) {
  const sockaddr_un address = address_of(path);
  make_way(path, address);
  descriptor_ = new_socket();
  // Nobody else gets in between: the file is this user's from its first moment.
  const mode_t mask = ::umask(0177);
  const bool bound = ::bind(descriptor_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  const int problem = errno;
  ::umask(mask);
  if (bound && ::listen(descriptor_, 16) == 0) return;
  ::close(descriptor_);
  throw UsageError(fmt::format("unix:{}: {}", path, std::strerror(problem)));
}

UnixListener::~UnixListener() {
  ::close(descriptor_);
  ::unlink(path_.c_str());
}

int UnixListener::accept() const {
  const int connection = ::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection < 0) return -1;
  const timeval patience{.tv_sec = 10, .tv_usec = 0};
  ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  return connection;
}

}  // namespace bevgrad
