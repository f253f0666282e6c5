#include "tensor/shape.h"

#include <algorithm>

#include "base/error.h"

namespace bevgrad {

int64_t numel(const Shape& sizes) {
  int64_t product = 1;
  bool empty = false;
  for (int64_t size : sizes) {
    check(size >= 0, "shape {}: a size is negative", to_string(sizes));
    if (size == 0) {
      empty = true;
    } else {
      check(!__builtin_mul_overflow(product, size, &product), "shape {}: too many elements", to_string(sizes));
    }
  }
  return empty ? 0 : product;
}

int wrap_dimension(std::string_view op, int dimension, int rank) {
  const int wrapped = dimension < 0 ? dimension + rank : dimension;
  check(wrapped >= 0 && wrapped < rank, "{}: dimension {} is out of range for a tensor of rank {}", op, dimension,
        rank);
  return wrapped;
}

int wrap_dimension_or_scalar(std::string_view op, int dimension, int rank) {
  return rank == 0 && (dimension == 0 || dimension == -1) ? 0 : wrap_dimension(op, dimension, rank);
}

std::string to_string(const Shape& sizes) {
  std::string text = "[";
  for (size_t i = 0; i < sizes.size(); ++i) text += (i ? "," : "") + std::to_string(sizes[i]);
  return text + "]";
}

Shape dense_strides(const Shape& sizes, MemoryFormat format) {
  Shape strides(sizes.size());
  int64_t step = 1;
  auto place = [&](size_t dim) {
    strides[dim] = step;
    step *= std::max<int64_t>(sizes[dim], 1);
  };
  if (format == MemoryFormat::ChannelsLast && sizes.size() == 4) {
    for (size_t dim : {1, 3, 2, 0}) place(dim);
  } else {
    for (size_t dim = sizes.size(); dim-- > 0;) place(dim);
  }
  return strides;
}

bool is_dense(const Shape& sizes, const Shape& strides, MemoryFormat format) {
  if (numel(sizes) == 0) return true;
  const Shape expected = dense_strides(sizes, format);
  for (size_t i = 0; i < sizes.size(); ++i)
    if (sizes[i] != 1 && strides[i] != expected[i]) return false;
  return true;
}

Shape broadcast_shapes(const char* op, const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (x != y && x != 1 && y != 1) fail("{}: shapes {} and {} do not broadcast", op, to_string(a), to_string(b));
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

}  // namespace bevgrad
