// Storages made of parts of others: what a checkpoint that was cut into pieces is put together from. Nothing is held in
// memory; a read goes to the pieces that it touches.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "formats/stored_tensor.h"

namespace bevgrad {

/// A run of bytes of a storage.
struct Segment {
  std::shared_ptr<const StoredStorage> storage;
  uint64_t offset = 0;
  uint64_t bytes = 0;
};
/// The segments one behind the other. Throws where one leaves its storage.
std::shared_ptr<const StoredStorage> concatenated_storage(std::string name, std::vector<Segment> segments);

/// A box of a larger tensor: its values, and where in it they lie.
struct Chunk {
  StoredTensor values;
  Shape offsets;
};
/// A contiguous tensor of `sizes`, put together from chunks that cover it. Throws, beginning with `name`, where they
/// leave it, leave holes or overlap.
StoredTensor chunked_tensor(std::string name, StoredDType dtype, const Shape& sizes, std::vector<Chunk> chunks);

/// A tensor's values in logical order as a storage. Those of a tensor that is not contiguous are held from the first
/// read of them to the last.
std::shared_ptr<const StoredStorage> logical_storage(const StoredTensor& tensor);

}  // namespace bevgrad
