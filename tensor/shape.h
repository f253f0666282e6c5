// Sizes and strides.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
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
/// The dimension of a tensor of that rank that `dimension` means, negative ones counted from the end; `op` names the
/// caller in the error.
int wrap_dimension(std::string_view op, int dimension, int rank);
/// The same for what a zero-dimensional tensor takes as if it had one dimension: 0 and -1 are fine there.
int wrap_dimension_or_scalar(std::string_view op, int dimension, int rank);
/// NumPy's broadcasting; `op` names the caller in the error.
Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b);

}  // namespace bevgrad
