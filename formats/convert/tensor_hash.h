// Fingerprints of tensors.
#pragma once
#include <cstdint>
#include <string>

#include "formats/state_dict.h"

namespace bevgrad {

/// XXH3-128 over the dtype's name, the shape and the values in row-major order, as 32 hexadecimal digits: the same in
/// every format, for every layout and sharing. It tells tensors apart, but is no proof against forgery.
std::string tensor_hash(const StoredTensor& tensor);

/// A line a tensor (hash, dtype and shape, name), sorted by name, and the hash of all of them; as JSON an object.
std::string hashes_text(const CheckpointFile& file, bool json);

}  // namespace bevgrad
