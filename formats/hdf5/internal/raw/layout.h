// Where the values of a dataset lie: the layout message (versions 1 to 5; the last is HDF5 2.0's), and the filters that
// chunks went through.
#pragma once
#include <string>
#include <vector>

#include "hdf5/internal/raw/object_header.h"
#include "tensor/shape.h"

namespace bevgrad::hdf5 {

enum class ChunkIndex : uint8_t {
  TreeV1 = 0,
  Single = 1,
  Implicit = 2,
  FixedArray = 3,
  ExtensibleArray = 4,
  TreeV2 = 5
};

struct Layout {
  enum class Kind { Compact, Contiguous, Chunked };
  Kind kind = Kind::Contiguous;
  std::string compact;            // the values
  uint64_t address = kUndefined;  // of the values, or of the index of the chunks
  uint64_t bytes = 0;             // of contiguous values where has_bytes
  bool has_bytes = false;

  Shape chunk;  // elements, without the size of an element that the file has at its end
  ChunkIndex index = ChunkIndex::TreeV1;
  bool edges_unfiltered = false;  // chunks that the dataset does not fill have no filters
  bool single_filtered = false;
  uint64_t single_bytes = 0;
  uint32_t single_mask = 0;
};

/// Throws for virtual datasets, values in other files, and layouts that are not known.
Layout read_layout(const ObjectHeader& object, size_t rank);

struct Filter {
  enum : uint16_t { kDeflate = 1, kShuffle = 2, kFletcher32 = 3, kLzf = 32000 };
  uint16_t id = 0;
  uint32_t parameter = 0;  // the first, where there is one
};

/// The filters in the order in which they were applied. Throws for others than deflate, shuffle, fletcher32 and h5py's
/// lzf.
std::vector<Filter> read_filters(const ObjectHeader& object);

/// Undoes the filters of one chunk, 32 at most, but those whose bit is set in `skipped`. Throws, naming `where`, unless
/// `expected` bytes come out.
std::string undo_filters(const std::vector<Filter>& filters, uint32_t skipped, std::string bytes, uint64_t expected,
                         const std::string& where);

/// The value of elements that were never written: `bytes` bytes.
std::string read_fill_value(const ObjectHeader& object, uint64_t bytes);

}  // namespace bevgrad::hdf5
