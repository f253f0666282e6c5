#include "base/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/error.h"

namespace bevgrad {

namespace {

constexpr uint64_t kWritebackBytes = 64 << 20;

std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> count{0};
  return fmt::format("{}.tmp-{}-{}", path, ::getpid(), count++);
}

void sync(const std::string& path, int flags, bool required) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC);
  const bool synced = descriptor >= 0 && ::fsync(descriptor) == 0;
  const int error = errno;
  if (descriptor >= 0) ::close(descriptor);
  check(synced || !required, "{}: cannot sync: {}", path, std::strerror(error));
}

}  // namespace

AtomicPath::AtomicPath(std::string path) : path_(std::move(path)), temporary_(temporary_name(path_)) {
  struct stat status {};
  check(::stat(path_.c_str(), &status) != 0 || !S_ISDIR(status.st_mode), "{}: cannot write: it is a folder", path_);
}

AtomicPath::~AtomicPath() {
  if (!committed_) ::unlink(temporary_.c_str());
}

void AtomicPath::commit() {
  sync(temporary_, O_RDONLY, true);
  check(std::rename(temporary_.c_str(), path_.c_str()) == 0, "{}: cannot put the finished file into place: {}", path_,
        std::strerror(errno));
  committed_ = true;
  const size_t slash = path_.rfind('/');
  sync(slash == std::string::npos ? "." : path_.substr(0, slash + 1), O_RDONLY | O_DIRECTORY, false);
}

void EarlyWriteback::wrote(int descriptor, uint64_t bytes) {
  waiting_ += bytes;
  if (waiting_ < kWritebackBytes) return;
  waiting_ = 0;
  // The whole file: pages that are on their way already are passed over. Its errors come again from the sync.
  ::sync_file_range(descriptor, 0, 0, SYNC_FILE_RANGE_WRITE);
}

AtomicFile::AtomicFile(const std::string& path) : path_(path) {
  descriptor_ = ::open(path_.temporary().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  check(descriptor_ >= 0, "{}: cannot write: {}", path, std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    check(written > 0, "{}: cannot write: {}", path_.path(), std::strerror(errno));
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  write_at(position_, bytes);
  position_ += bytes.size();
  writeback_.wrote(descriptor_, bytes.size());
}

void AtomicFile::patch(uint64_t offset, std::string_view bytes) {
  check(offset + bytes.size() <= position_, "{}: a patch past the end", path_.path());
  write_at(offset, std::as_bytes(std::span(bytes)));
}

void AtomicFile::commit() {
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  check(closed == 0, "{}: cannot write: {}", path_.path(), std::strerror(errno));
  path_.commit();
}

}  // namespace bevgrad
