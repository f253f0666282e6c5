#include "base/direct_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

namespace bevgrad {

namespace {

constexpr size_t kBlock = 4096;
constexpr size_t kBufferBytes = 4 << 20;

bool write_all(int descriptor, uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = ENOSPC;
    if (written <= 0) return false;
    offset += static_cast<uint64_t>(written);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

void DirectFile::Free::operator()(std::byte* buffer) const {
  std::free(buffer);
}

DirectFile::DirectFile(const std::string& path)
    : cached_(::open(path.c_str(), O_WRONLY | O_CLOEXEC)),
      direct_(::open(path.c_str(), O_WRONLY | O_DIRECT | O_CLOEXEC)) {}

DirectFile::~DirectFile() {
  for (const int descriptor : {cached_, direct_})
    if (descriptor >= 0) ::close(descriptor);
}

bool DirectFile::write(uint64_t offset, std::span<const std::byte> bytes) {
  const size_t head = std::min<size_t>(bytes.size(), (kBlock - offset % kBlock) % kBlock);
  const size_t blocks = (bytes.size() - head) / kBlock * kBlock;
  return write_all(cached_, offset, bytes.first(head)) && write_direct(offset + head, bytes.subspan(head, blocks)) &&
         write_all(cached_, offset + head + blocks, bytes.subspan(head + blocks));
}

bool DirectFile::write_direct(uint64_t offset, std::span<const std::byte> blocks) {
  const bool is_aligned = reinterpret_cast<uintptr_t>(blocks.data()) % kBlock == 0;
  while (direct_ >= 0 && !blocks.empty()) {
    std::span<const std::byte> piece = blocks.first(std::min(blocks.size(), kBufferBytes));
    if (!is_aligned) {
      if (!buffer_) buffer_.reset(static_cast<std::byte*>(std::aligned_alloc(kBlock, kBufferBytes)));
      if (!buffer_) throw std::bad_alloc();
      std::memcpy(buffer_.get(), piece.data(), piece.size());
      piece = {buffer_.get(), piece.size()};
    }
    const ssize_t written = ::pwrite(direct_, piece.data(), piece.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    // A disk with larger blocks, or one that wrote a part of a block: the rest goes through the cache.
    if (written < 0 && errno != EINVAL) return false;
    if (written < 0 || written % static_cast<ssize_t>(kBlock) != 0 || written == 0) break;
    offset += static_cast<uint64_t>(written);
    blocks = blocks.subspan(static_cast<size_t>(written));
  }
  return write_all(cached_, offset, blocks);
}

}  // namespace bevgrad
