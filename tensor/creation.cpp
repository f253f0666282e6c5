// Tensors of regular values.
#include <cmath>

#include "tensor/ops.h"
#include "tensor/tape.h"

namespace bevgrad {
namespace {

// value(i) for i in [0, count), made on the host.
template <class Value>
Tensor from_function(int64_t count, const TensorOptions& options, const Value& value) {
  std::vector<double> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) values[i] = value(i);
  return from_values(values, {count}, options);
}

}  // namespace

Tensor ones_like(const Tensor& like) {
  return full_like(like, 1.0);
}

Tensor full_like(const Tensor& like, double value) {
  return full(like.sizes(), value, {like.dtype(), like.suggested_format(), like.device()});
}

Tensor arange(double end, const TensorOptions& options) {
  return arange(0, end, 1, options);
}

Tensor arange(double start, double end, double step, const TensorOptions& options) {
  check(step != 0 && std::isfinite(start) && std::isfinite(end) && std::isfinite(step) && (end - start) / step >= 0,
        "arange: from {} to {} by {} leads nowhere", start, end, step);
  return from_function(static_cast<int64_t>(std::ceil((end - start) / step)), options,
                       [=](int64_t i) { return start + static_cast<double>(i) * step; });
}

Tensor linspace(double start, double end, int64_t count, const TensorOptions& options) {
  check(count >= 0, "linspace: the count {} is negative", count);
  const double step = count > 1 ? (end - start) / static_cast<double>(count - 1) : 0;
  // From both ends, so that the last value is `end`.
  return from_function(count, options, [=](int64_t i) {
    return i < count / 2 || count == 1 ? start + static_cast<double>(i) * step
                                       : end - static_cast<double>(count - 1 - i) * step;
  });
}

Tensor eye(int64_t rows, int64_t columns, const TensorOptions& options) {
  if (columns < 0) columns = rows;
  Tensor result = zeros({rows, columns}, options);
  const int64_t length = std::min(rows, columns);
  const Tensor diagonal(result.storage(), 0, {length}, {columns + 1}, options.dtype);
  ops::fill_(diagonal, 1.0);
  return result;
}

Tensor one_hot(const Tensor& labels, int64_t classes) {
  tape::check_defined("one_hot", {{"labels", labels}});
  check(labels.dtype() == DType::Int64, "one_hot: the labels are {}, expected int64", describe(labels));
  const std::vector<double> values = labels.to_vector();
  double largest = -1;
  for (size_t i = 0; i < values.size(); ++i) {
    check(values[i] >= 0 && (classes < 0 || values[i] < static_cast<double>(classes)),
          "one_hot: label {} is {}, expected 0 to {}", i, values[i], classes < 0 ? "any" : std::to_string(classes - 1));
    largest = std::max(largest, values[i]);
  }
  if (classes < 0) {
    check(!values.empty(), "one_hot: no labels say how many classes there are");
    classes = static_cast<int64_t>(largest) + 1;
  }
  Shape sizes = labels.sizes();
  sizes.push_back(classes);
  const Tensor result = zeros(sizes, {DType::Int64});
  int64_t* out = result.data<int64_t>();
  for (size_t i = 0; i < values.size(); ++i)
    out[static_cast<int64_t>(i) * classes + static_cast<int64_t>(values[i])] = 1;
  return ops::to(result, labels.device());
}

}  // namespace bevgrad
