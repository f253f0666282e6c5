// The values of a dataset, read a range at a time, as bytes in the order and the byte order of the file.
#pragma once
#include <atomic>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <unordered_map>

#include "hdf5/internal/raw/chunks.h"

namespace bevgrad::hdf5 {

/// Chunks that were unpacked last, of all datasets of a file.
class ChunkCache {
 public:
  using Bytes = std::shared_ptr<const std::string>;
  /// A number for a dataset that no other one gets.
  uint64_t new_owner() { return ++owners_; }
  /// Null where it is not held.
  Bytes find(uint64_t owner, uint64_t number);
  void keep(uint64_t owner, uint64_t number, Bytes bytes);

 private:
  struct Entry {
    uint64_t owner;
    uint64_t number;
    Bytes bytes;
  };
  static uint64_t key(uint64_t owner, uint64_t number);

  std::atomic<uint64_t> owners_ = 0;
  std::mutex mutex_;
  std::list<Entry> entries_;  // the one used last in front
  std::unordered_map<uint64_t, std::list<Entry>::iterator> places_;
  uint64_t bytes_ = 0;
};

class Values {
 public:
  /// `bytes` is what the sizes need. Throws where the file cannot hold the values.
  Values(const File& file, const ObjectHeader& object, const Dataspace& space, uint64_t item,
         std::shared_ptr<ChunkCache> cache);

  /// Of all values.
  uint64_t bytes() const { return bytes_; }
  /// Where they lie in the file, if in one piece; kUndefined otherwise.
  uint64_t address() const { return contiguous_; }
  /// Fills `out` with the bytes at `offset`, a range inside of bytes().
  void read(uint64_t offset, std::span<std::byte> out) const;

 private:
  void read_chunked(uint64_t offset, std::span<std::byte> out) const;
  ChunkCache::Bytes chunk(uint64_t number, const std::vector<uint64_t>& place) const;
  void prepare_chunks(const ObjectHeader& object, const Dataspace& space);

  const File& file_;
  std::string where_;
  Shape sizes_;
  uint64_t item_ = 1;
  uint64_t bytes_ = 0;
  Layout layout_;
  uint64_t contiguous_ = kUndefined;
  std::string fill_;
  std::vector<Filter> filters_;
  ChunkGrid grid_;
  std::vector<Chunk> chunks_;
  std::shared_ptr<ChunkCache> cache_;
  uint64_t owner_;
};

}  // namespace bevgrad::hdf5
