#include "internal/file_patch.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"

namespace bevgrad {

namespace {

constexpr uint64_t kSectorBytes = 512;

class PatchedSource : public ByteSource {
 public:
  PatchedSource(std::shared_ptr<const ByteSource> source, FilePatch patch)
      : ByteSource(source->name(), source->size() + patch.appended.size()),
        source_(std::move(source)),
        patch_(std::move(patch)) {}

 private:
  void read_checked(uint64_t offset, std::span<std::byte> out) const override {
    const uint64_t old_bytes = offset < source_->size() ? std::min(source_->size() - offset, out.size()) : 0;
    source_->read(std::min(offset, source_->size()), out.first(old_bytes));
    overlay(patch_.appended, source_->size(), offset, out);
    overlay(patch_.bytes, patch_.at, offset, out);
  }

  static void overlay(std::string_view bytes, uint64_t at, uint64_t offset, std::span<std::byte> out) {
    const uint64_t begin = std::max(at, offset);
    const uint64_t end = std::min(at + bytes.size(), offset + out.size());
    if (begin < end) std::memcpy(&out[begin - offset], &bytes[begin - at], end - begin);
  }

  std::shared_ptr<const ByteSource> source_;
  FilePatch patch_;
};

/// Without the bytes at both ends that are in the file already.
FilePatch trimmed(const ByteSource& source, FilePatch patch) {
  std::string old(patch.bytes.size(), '\0');
  source.read(patch.at, std::as_writable_bytes(std::span(old)));
  const auto [first, unused] = std::mismatch(old.begin(), old.end(), patch.bytes.begin());
  const auto begin = static_cast<size_t>(first - old.begin());
  size_t end = old.size();
  while (end > begin && old[end - 1] == patch.bytes[end - 1]) --end;
  patch.bytes = patch.bytes.substr(begin, end - begin);
  patch.at += begin;
  return patch;
}

}  // namespace

std::shared_ptr<const ByteSource> patched_source(std::shared_ptr<const ByteSource> source, FilePatch patch) {
  return std::make_shared<PatchedSource>(std::move(source), std::move(patch));
}

FileToPatch::FileToPatch(const std::string& path) {
  // What a link leads to is changed, not the link.
  std::error_code error;
  path_ = std::filesystem::canonical(path, error).string();
  check(!error, "{}: cannot open: {}", path, error.message());
  source_ = open_file(path_);
  descriptor_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
  check(descriptor_ >= 0, "{}: cannot open for writing: {}", path, std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int locked = errno;
  ::close(descriptor_);
  fail("{}: cannot be changed: {}", path,
       locked == EWOULDBLOCK ? "another program has it open and locked" : std::strerror(locked));
}

FileToPatch::~FileToPatch() {
  ::close(descriptor_);
}

void FileToPatch::write(int descriptor, uint64_t offset, std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    check(written > 0, "{}: cannot write: {}", path_, std::strerror(errno));
    offset += static_cast<uint64_t>(written);
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

void FileToPatch::sync(int descriptor) const {
  check(::fsync(descriptor) == 0, "{}: cannot sync: {}", path_, std::strerror(errno));
}

void FileToPatch::apply(const FilePatch& wanted) {
  const FilePatch patch = trimmed(*source_, wanted);
  struct stat status {};
  check(::fstat(descriptor_, &status) == 0 && static_cast<uint64_t>(status.st_size) == source_->size(),
        "{}: another program changed it", path_);
  if (patch.bytes.size() + patch.at % kSectorBytes > kSectorBytes) return apply_to_clone(patch);
  if (!patch.appended.empty()) {
    try {
      write(descriptor_, source_->size(), patch.appended);
      sync(descriptor_);
    } catch (const Error&) {
      // A full disk. Where even this fails, bytes stay behind the end, to which nothing refers.
      [[maybe_unused]] const int cut = ::ftruncate(descriptor_, static_cast<off_t>(source_->size()));
      throw;
    }
  }
  write(descriptor_, patch.at, patch.bytes);
  sync(descriptor_);
}

void FileToPatch::apply_to_clone(const FilePatch& patch) const {
  AtomicPath target(path_);
  struct stat status {};
  check(::fstat(descriptor_, &status) == 0, "{}: cannot read: {}", path_, std::strerror(errno));
  const int clone = ::open(target.temporary().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, status.st_mode & 07777);
  check(clone >= 0, "{}: cannot write beside it: {}", path_, std::strerror(errno));
  try {
    check(::ioctl(clone, FICLONE, descriptor_) == 0,
          "{}: the change is larger than what a disk writes at once, and this file system makes no copies that share "
          "blocks (btrfs and XFS do): a crash could leave half of it; write another file instead",
          path_);
    write(clone, source_->size(), patch.appended);
    write(clone, patch.at, patch.bytes);
    const bool kept =
        ::fchown(clone, status.st_uid, status.st_gid) == 0 && ::fchmod(clone, status.st_mode & 07777) == 0;
    check(kept, "{}: cannot keep its owner and mode: {}", path_, std::strerror(errno));
  } catch (...) {
    ::close(clone);
    throw;
  }
  check(::close(clone) == 0, "{}: cannot write: {}", path_, std::strerror(errno));
  target.commit();
}

}  // namespace bevgrad
