// Writes large pieces of a file past the system's page cache: a copy into the cache costs several times the processor
// time of the write itself, and pushes out what others want to read again.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace bevgrad {

class DirectFile {
 public:
  /// Opens a file that is there. Where its file system knows no direct writes, writes go through the cache.
  explicit DirectFile(const std::string& path);
  ~DirectFile();
  DirectFile(const DirectFile&) = delete;
  DirectFile& operator=(const DirectFile&) = delete;

  /// False where the system refuses the bytes; errno says why.
  bool write(uint64_t offset, std::span<const std::byte> bytes);

 private:
  struct Free {
    void operator()(std::byte* buffer) const;
  };

  bool write_direct(uint64_t offset, std::span<const std::byte> blocks);

  int cached_ = -1;
  int direct_ = -1;
  std::unique_ptr<std::byte, Free> buffer_;  // for bytes that do not begin where a block may
};

}  // namespace bevgrad
