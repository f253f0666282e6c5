// Feature maps in 8 bits on their way from one convolution to the next: they travel as uint8 or int8 tensors, and their
// steps beside them.
#pragma once
#include <optional>

#include "tensor/integer_conv.h"

namespace bevgrad {

/// The values, whose step this thread knows as long as their memory lives.
Tensor with_step(const ByteMap& map);
/// Of such a tensor; nothing for a floating-point one. Throws Error for other integers: an operation that knows nothing
/// of steps has made them.
std::optional<ByteMap> byte_map(const Tensor& x);
/// float32 of a feature map in 8 bits; others as they are.
Tensor without_bytes(const Tensor& x);

}  // namespace bevgrad
