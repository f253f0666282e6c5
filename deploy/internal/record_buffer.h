// Records cut out of a stream of bytes.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace bevgrad {

/// A record on the wire is its length, four bytes, little-endian, then the message of data/record.proto. Holds at most
/// one record, and never reserves more than what has come.
class RecordBuffer {
 public:
  /// A length of 0 or above it is refused.
  static constexpr uint32_t kLongest = 128u << 20;

  /// Bytes that are still missing until the length, or the record behind it, is whole; 0: record() may be read.
  size_t missing() const;
  /// At most `missing()` bytes. Throws Error for a length that is refused.
  void add(std::span<const uint8_t> bytes);
  std::span<const uint8_t> record() const { return std::span(bytes_).subspan(kHeader); }
  /// The next record begins.
  void clear();
  /// Nothing of a record has come.
  bool empty() const { return bytes_.empty(); }

 private:
  static constexpr size_t kHeader = 4;

  size_t length() const;

  std::vector<uint8_t> bytes_;
};

}  // namespace bevgrad
