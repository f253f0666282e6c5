// The block formats of ggml: runs of 32 or 256 values that share scales. Decoded to float32 as they are read.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "formats/stored_tensor.h"

namespace bevgrad {

struct BlockFormat {
  std::string_view name;  // "Q4_K"
  uint32_t values = 0;    // of a block
  uint32_t bytes = 0;
  /// Writes `values` floats.
  void (*decode)(const uint8_t* block, float* out) = nullptr;
};
/// By ggml's number of the type; null where it is not known.
const BlockFormat* block_format(uint32_t type);

/// The values of consecutive blocks in `storage` as float32. `storage` is a whole number of blocks.
std::shared_ptr<const StoredStorage> decoded_storage(std::shared_ptr<const StoredStorage> storage,
                                                     const BlockFormat& format);

}  // namespace bevgrad
