// The chunks of a dataset: where each lies, by any of HDF5's six indexes.
#pragma once
#include <functional>
#include <vector>

#include "hdf5/internal/raw/datatype.h"
#include "hdf5/internal/raw/layout.h"

namespace bevgrad::hdf5 {

struct Chunk {
  uint64_t number = 0;  // in row-major order of the chunks that the dataset's sizes need
  uint64_t address = kUndefined;
  uint64_t bytes = 0;  // in the file
  uint32_t skipped_filters = 0;
};

/// The grid of chunks of a dataset.
struct ChunkGrid {
  Shape counts;           // chunks in each dimension
  uint64_t elements = 1;  // of one chunk
  uint64_t item = 1;      // bytes of an element
  uint64_t bytes() const { return elements * item; }
};

/// Chunks that the file has, by rising number; those that were never written are left out. Throws where two overlap or
/// are the same, and where an index is damaged.
std::vector<Chunk> read_chunks(const File& file, const ObjectHeader& object, const Layout& layout,
                               const Dataspace& space, const ChunkGrid& grid, bool filtered);

/// Calls `entry` with the number (in the order of the index) and place of every chunk of a fixed or extensible array.
using ArrayEntry = std::function<void(uint64_t number, Chunk chunk)>;
void read_fixed_array(const File& file, uint64_t address, const ChunkGrid& grid, const ArrayEntry& entry);
void read_extensible_array(const File& file, uint64_t address, const ChunkGrid& grid, const ArrayEntry& entry);

}  // namespace bevgrad::hdf5
