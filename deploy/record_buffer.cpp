#include "internal/record_buffer.h"

#include "base/error.h"

namespace bevgrad {
namespace {

// A buffer that a large record has left is given back.
constexpr size_t kKept = 1 << 20;

}  // namespace

size_t RecordBuffer::length() const {
  size_t value = 0;
  for (size_t i = kHeader; i-- > 0;) value = value << 8 | bytes_[i];
  return value;
}

size_t RecordBuffer::missing() const {
  return bytes_.size() < kHeader ? kHeader - bytes_.size() : kHeader + length() - bytes_.size();
}

void RecordBuffer::add(std::span<const uint8_t> bytes) {
  check(bytes.size() <= missing(), "record: {} bytes came where {} were missing", bytes.size(), missing());
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  if (bytes_.size() != kHeader) return;
  check(length() > 0 && length() <= kLongest, "a record of {} bytes, expected 1 to {}: is it a stream of records?",
        length(), kLongest);
}

void RecordBuffer::clear() {
  bytes_.clear();
  if (bytes_.capacity() > kKept) bytes_.shrink_to_fit();
}

}  // namespace bevgrad
