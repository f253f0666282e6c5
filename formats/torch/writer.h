// Writes PyTorch's zip format, so that torch.load(weights_only=True) opens it: values whose class is not among those
// that it accepts are written as plain dictionaries that name the class.
#pragma once
#include <string>

#include "formats/value.h"

namespace bevgrad {

/// Writes `document.root` atomically. Storages that tensors share stay shared; of a storage only the part that tensors
/// use is written. Tensor data is streamed. Throws Error naming the path. Returns how many keys had to become texts.
uint64_t write_torch(const std::string& path, const Document& document);

}  // namespace bevgrad
