// Sizes and strides.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bevgrad {

using Shape = std::vector<int64_t>;

/// Product of the sizes; throws where one is negative or the product overflows int64.
int64_t numel(const Shape& sizes);
/// "[16,64,56,104]"
std::string to_string(const Shape& sizes);

/// How the elements of a dense tensor follow one another. A 4-D tensor is logically NCHW in both:
/// ChannelsLast lays N,H,W,C out in memory and is what activations use; for other ranks it means Contiguous.
enum class MemoryFormat { Contiguous, ChannelsLast };

Shape dense_strides(const Shape& sizes, MemoryFormat format);
/// Whether these are the strides of a dense tensor in that format (strides of size-1 dimensions are free).
bool is_dense(const Shape& sizes, const Shape& strides, MemoryFormat format);
/// NumPy's broadcasting; `op` names the caller in the error.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

}  // namespace bevgrad
