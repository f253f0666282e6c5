// The three heaps of HDF5 files, in which names, texts and messages of many sizes lie.
#pragma once
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "hdf5/internal/raw/file.h"

namespace bevgrad::hdf5 {

/// The names of the members of an old group.
class LocalHeap {
 public:
  LocalHeap(const File& file, uint64_t address);
  /// The text that begins at `offset`.
  std::string text(uint64_t offset) const;

 private:
  std::string where_;
  std::string data_;
};

/// All collections of values of variable length; each is looked through once.
class GlobalHeap {
 public:
  explicit GlobalHeap(const File& file) : file_(file) {}
  /// Object `index` of the collection at `address`.
  std::string object(uint64_t address, uint32_t index);

 private:
  struct Place {
    uint64_t address = 0;
    uint64_t bytes = 0;
  };
  const File& file_;
  std::unordered_map<uint64_t, std::unordered_map<uint32_t, Place>> collections_;
  uint64_t objects_ = 0;
};

/// Where links and attributes lie of which an object has many.
class FractalHeap {
 public:
  FractalHeap(const File& file, uint64_t address);
  size_t id_bytes() const { return id_bytes_; }
  /// The object that an ID of id_bytes() bytes means.
  Block object(Block& id);

 private:
  struct Indirect {
    std::vector<uint64_t> children;
    uint64_t rows = 0;
  };
  uint64_t row_bytes(uint64_t row) const;
  Block managed(uint64_t offset, uint64_t bytes);
  Block large(uint64_t number);
  const Indirect& indirect(uint64_t address, uint64_t rows);
  const std::string& direct(uint64_t address, uint64_t bytes);

  const File& file_;
  std::string where_;
  size_t id_bytes_ = 0;
  bool checksums_ = false;
  uint64_t largest_ = 0;
  uint64_t large_tree_ = kUndefined;
  uint64_t width_ = 0;
  uint64_t first_bytes_ = 0;
  uint64_t most_direct_ = 0;
  uint64_t direct_rows_ = 0;
  size_t offset_width_ = 0;
  size_t length_width_ = 0;
  uint64_t root_ = kUndefined;
  uint64_t root_rows_ = 0;
  std::map<uint64_t, Indirect> indirect_;
  std::map<uint64_t, std::string> direct_;
  uint64_t direct_bytes_ = 0;
  struct Large {
    uint64_t address = 0;
    uint64_t bytes = 0;
  };
  std::unique_ptr<std::unordered_map<uint64_t, Large>> large_;
};

}  // namespace bevgrad::hdf5
