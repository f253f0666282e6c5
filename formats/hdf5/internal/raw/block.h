// A bounded piece of an HDF5 file in memory, read forward. Every read is checked; errors name the file, the structure
// and its place. The layout of every structure is "HDF5 File Format Specification Version 3.0" of the HDF Group.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace bevgrad::hdf5 {

/// An address that is not there.
inline constexpr uint64_t kUndefined = ~uint64_t{0};

/// Bytes that addresses and lengths take in a file: 2, 4 or 8.
struct FieldSizes {
  uint8_t offset = 8;
  uint8_t length = 8;
};

class Block {
 public:
  Block() = default;
  Block(std::string bytes, std::string where, FieldSizes sizes)
      : bytes_(std::move(bytes)), where_(std::move(where)), sizes_(sizes) {}

  /// How messages call it: "x.h5: object header at byte 96".
  const std::string& where() const { return where_; }
  FieldSizes sizes() const { return sizes_; }
  uint64_t size() const { return bytes_.size(); }
  uint64_t position() const { return position_; }
  uint64_t remaining() const { return bytes_.size() - position_; }

  uint8_t u8() { return static_cast<uint8_t>(number(1)); }
  uint16_t u16() { return static_cast<uint16_t>(number(2)); }
  uint32_t u32() { return static_cast<uint32_t>(number(4)); }
  uint64_t u64() { return number(8); }
  /// An unsigned little-endian number of 1 to 8 bytes.
  uint64_t number(size_t bytes);
  /// An address; kUndefined where all its bits are set.
  uint64_t offset();
  uint64_t length() { return number(sizes_.length); }
  std::string take(uint64_t count);
  /// Up to the next NUL, which is consumed and not returned.
  std::string text();
  void skip(uint64_t count);
  /// Skips to a multiple of `unit` bytes from `start`.
  void align(uint64_t unit, uint64_t start = 0);
  /// A part of it as a block of its own, which is skipped.
  Block part(uint64_t count);
  Block part(uint64_t count, std::string where);

  /// Throws unless the next bytes are these.
  void signature(std::string_view expected);
  /// Throws unless the next byte is this version.
  void version(uint8_t expected);
  /// Throws unless the last four bytes are the checksum of all before, which are taken off.
  void verify_checksum();

 private:
  void need(uint64_t count) const;

  std::string bytes_;
  uint64_t position_ = 0;
  std::string where_;
  FieldSizes sizes_;
};

/// Bob Jenkins' lookup3 ("hashlittle") with the initial value 0, HDF5's checksum of its own structures.
uint32_t lookup3(std::string_view bytes);

}  // namespace bevgrad::hdf5
