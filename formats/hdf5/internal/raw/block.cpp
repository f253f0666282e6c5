#include "hdf5/internal/raw/block.h"

#include <algorithm>
#include <bit>

#include "base/error.h"
#include "base/text.h"
#include "internal/verify_checksums.h"

namespace bevgrad::hdf5 {

void Block::need(uint64_t count) const {
  check(count <= remaining(), "{}: damaged: {} bytes expected, {} are left", where_, count, remaining());
}

uint64_t Block::number(size_t bytes) {
  need(bytes);
  uint64_t out = 0;
  for (size_t i = 0; i < bytes; ++i) out |= uint64_t{static_cast<uint8_t>(bytes_[position_ + i])} << (8 * i);
  position_ += bytes;
  return out;
}

uint64_t Block::offset() {
  const uint64_t out = number(sizes_.offset);
  const uint64_t all = sizes_.offset == 8 ? kUndefined : (uint64_t{1} << (8 * sizes_.offset)) - 1;
  return out == all ? kUndefined : out;
}

std::string Block::take(uint64_t count) {
  need(count);
  std::string out = bytes_.substr(position_, count);
  position_ += count;
  return out;
}

std::string Block::text() {
  const size_t end = bytes_.find('\0', position_);
  check(end != std::string::npos, "{}: damaged: a name without an end", where_);
  std::string out = take(end - position_);
  ++position_;
  return out;
}

void Block::skip(uint64_t count) {
  need(count);
  position_ += count;
}

void Block::align(uint64_t unit, uint64_t start) {
  const uint64_t over = (position_ - start) % unit;
  if (over != 0) skip(unit - over);
}

Block Block::part(uint64_t count) {
  return {take(count), where_, sizes_};
}

Block Block::part(uint64_t count, std::string where) {
  return {take(count), std::move(where), sizes_};
}

void Block::signature(std::string_view expected) {
  const std::string found = take(expected.size());
  check(found == expected, "{}: damaged: it begins with '{}', not '{}'", where_, printable(found), expected);
}

void Block::version(uint8_t expected) {
  const uint8_t found = u8();
  check(found == expected, "{}: version {} of this structure is not known", where_, found);
}

void Block::verify_checksum() {
  need(4);
  const size_t end = bytes_.size() - 4;
  uint32_t stored = 0;
  for (size_t i = 0; i < 4; ++i) stored |= uint32_t{static_cast<uint8_t>(bytes_[end + i])} << (8 * i);
  check(!kVerifyChecksums || lookup3(std::string_view(bytes_).substr(0, end)) == stored,
        "{}: damaged: its checksum does not hold", where_);
  bytes_.resize(end);
}

uint32_t lookup3(std::string_view bytes) {
  const auto word = [](std::string_view from, size_t at) {
    uint32_t out = 0;
    for (size_t i = 0; i < 4 && at + i < from.size(); ++i) {
      out |= uint32_t{static_cast<uint8_t>(from[at + i])} << (8 * i);
    }
    return out;
  };
  uint32_t a = 0xdeadbeef + static_cast<uint32_t>(bytes.size());
  uint32_t b = a;
  uint32_t c = a;
  while (bytes.size() > 12) {
    a += word(bytes, 0);
    b += word(bytes, 4);
    c += word(bytes, 8);
    a = (a - c) ^ std::rotl(c, 4), c += b;
    b = (b - a) ^ std::rotl(a, 6), a += c;
    c = (c - b) ^ std::rotl(b, 8), b += a;
    a = (a - c) ^ std::rotl(c, 16), c += b;
    b = (b - a) ^ std::rotl(a, 19), a += c;
    c = (c - b) ^ std::rotl(b, 4), b += a;
    bytes.remove_prefix(12);
  }
  if (bytes.empty()) return c;
  a += word(bytes, 0);
  b += word(bytes, 4);
  c += word(bytes, 8);
  c = (c ^ b) - std::rotl(b, 14);
  a = (a ^ c) - std::rotl(c, 11);
  b = (b ^ a) - std::rotl(a, 25);
  c = (c ^ b) - std::rotl(b, 16);
  a = (a ^ c) - std::rotl(c, 4);
  b = (b ^ a) - std::rotl(a, 14);
  c = (c ^ b) - std::rotl(b, 24);
  return c;
}

}  // namespace bevgrad::hdf5
