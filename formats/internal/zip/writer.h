// Writes zip archives of stored entries whose data is aligned, as torch.save does: an extra field of the local header
// pads, zip64 where sizes need it. The file appears when finish() is called.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"

namespace bevgrad {

class ZipWriter {
 public:
  explicit ZipWriter(const std::string& path, uint64_t alignment = 64);

  /// Starts an entry of exactly `bytes` bytes, given to write().
  void begin(const std::string& name, uint64_t bytes);
  void write(std::span<const std::byte> bytes);
  void end();
  void add(const std::string& name, std::string_view content);
  void finish();

 private:
  struct Entry {
    std::string name;
    uint64_t header = 0;
    uint64_t bytes = 0;
    uint32_t crc = 0;
  };

  AtomicFile file_;
  uint64_t alignment_;
  uint64_t left_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace bevgrad
