#include "base/append_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/error.h"

namespace bevgrad {

AppendFile::AppendFile(std::string path) : path_(std::move(path)) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  check(descriptor_ >= 0, "{}: cannot write this file: {}", path_, std::strerror(errno));
}

AppendFile::AppendFile(AppendFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

AppendFile::~AppendFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

bool AppendFile::is_empty() const {
  struct stat status = {};
  return fstat(descriptor_, &status) == 0 && status.st_size == 0;
}

void AppendFile::append(std::string_view bytes) {
  struct stat before = {};
  const bool is_file = fstat(descriptor_, &before) == 0 && S_ISREG(before.st_mode);
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int code = errno;
      if (is_file) static_cast<void>(!ftruncate(descriptor_, before.st_size));
      fail("{}: cannot write this file (is the disk full?): {}", path_, std::strerror(code));
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace bevgrad
