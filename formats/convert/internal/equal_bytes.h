// Whether tensors have the same values.
#pragma once
#include "formats/stored_tensor.h"

namespace bevgrad {

/// Whether two tensors of one dtype and shape have the same bytes; reads up to the first piece that differs.
bool equal_bytes(const StoredTensor& a, const StoredTensor& b);

}  // namespace bevgrad
