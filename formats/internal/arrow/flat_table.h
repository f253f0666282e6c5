// Reading a FlatBuffer without its schema: tables, vectors and texts by the numbers of their fields. Every offset is
// checked against the buffer before it is followed, so that a damaged one ends in an Error.
#pragma once
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

namespace bevgrad {

class FlatVector;

/// A table of a FlatBuffer (https://flatbuffers.dev/internals/). Valid as long as the bytes and the name are.
class FlatTable {
 public:
  /// The root table of a buffer. `name` opens every error.
  static FlatTable root(std::span<const uint8_t> bytes, const std::string& name);

  /// The scalar at field `number`, or `absent` where the table does not have it.
  template <class T>
  T scalar(int number, T absent) const {
    const uint64_t at = field(number);
    return at == 0 ? absent : read<T>(at);
  }
  bool has(int number) const { return field(number) != 0; }
  /// Throws where the field is missing.
  FlatTable table(int number) const;
  FlatVector vector(int number) const;
  std::string text(int number) const;

 private:
  friend class FlatVector;
  FlatTable(std::span<const uint8_t> bytes, uint64_t at, const std::string& name);

  template <class T>
  T read(uint64_t at) const {
    need(at, sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof(T));
    return value;
  }
  void need(uint64_t at, uint64_t length) const;
  /// Where a field lies, 0 where the table does not have it.
  uint64_t field(int number) const;
  /// Where the offset that lies at a field leads.
  uint64_t follow(int number) const;

  std::span<const uint8_t> bytes_;
  uint64_t at_;
  uint64_t fields_, fields_end_;  // of its table of offsets
  const std::string* name_;
};

/// A vector of structs, scalars or tables.
class FlatVector {
 public:
  uint32_t size() const { return size_; }
  /// A scalar at byte `offset` of element `index`, each of which is `stride` bytes long.
  template <class T>
  T at(uint32_t index, uint32_t stride, uint32_t offset = 0) const {
    return owner_.read<T>(element(index, stride) + offset);
  }
  FlatTable table(uint32_t index) const;

 private:
  friend class FlatTable;
  FlatVector(const FlatTable& owner, uint64_t at) : owner_(owner), at_(at + 4), size_(owner.read<uint32_t>(at)) {}
  uint64_t element(uint32_t index, uint32_t stride) const;

  FlatTable owner_;
  uint64_t at_;
  uint32_t size_;
};

}  // namespace bevgrad
