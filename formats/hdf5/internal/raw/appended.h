// Structures of HDF5 that are written behind a file's end, where nothing refers to them until its superblock does.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hdf5/internal/raw/block.h"
#include "hdf5/internal/raw/object.h"

namespace bevgrad::hdf5 {

/// The bytes of one structure, put together forward.
class StructureBytes {
 public:
  explicit StructureBytes(FieldSizes sizes) : sizes_(sizes) {}

  StructureBytes& number(uint64_t value, size_t bytes);
  StructureBytes& offset(uint64_t value) { return number(value, sizes_.offset); }
  StructureBytes& length(uint64_t value) { return number(value, sizes_.length); }
  StructureBytes& text(std::string_view text);
  /// Zeros up to a size.
  StructureBytes& fill(uint64_t bytes);
  /// lookup3 of what is there.
  StructureBytes& checksum();

  uint64_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  FieldSizes sizes_;
  std::string bytes_;
};

class Appended {
 public:
  /// Behind a file of `file_bytes` bytes.
  Appended(FieldSizes sizes, uint64_t file_bytes) : sizes_(sizes), begin_(file_bytes) {}

  FieldSizes sizes() const { return sizes_; }
  const std::string& bytes() const { return bytes_; }
  uint64_t end() const { return begin_ + bytes_.size(); }

  /// Room of so many bytes, which put() fills: the address.
  uint64_t reserve(uint64_t bytes);
  void put(uint64_t address, std::string_view bytes);
  uint64_t add(const StructureBytes& structure);

 private:
  FieldSizes sizes_;
  uint64_t begin_;
  std::string bytes_;
};

/// Writes a group with the attributes and properties of `old` and these members, in the newer form (links as messages
/// or in a heap with indexes). Returns the address of its header. Throws where names are too long or too many for that.
uint64_t write_group(Appended& to, const ObjectHeader& old, const std::vector<Link>& links);

/// Writes objects of at most kMaximumHeapObject bytes into a fractal heap with the properties of one of links: its
/// address, and the seven bytes that mean each object.
struct WrittenHeap {
  uint64_t address = kUndefined;
  std::vector<std::string> ids;
};
inline constexpr size_t kMaximumHeapObject = 4096;
WrittenHeap write_heap(Appended& to, const std::vector<std::string>& objects);

/// Writes records of one size, sorted as the type demands, into a version 2 tree.
uint64_t write_tree_v2(Appended& to, uint8_t type, const std::vector<std::string>& records);

}  // namespace bevgrad::hdf5
