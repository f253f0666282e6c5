#include "autograd/functions/pool.h"

#include <algorithm>
#include <limits>

#include "autograd/functions/arrange.h"
#include "autograd/functions/conv.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/functions/windows.h"
#include "functions/internal/float16.h"
#include "functions/internal/windows_sum.h"
#include "tensor/backend.h"

namespace bevgrad {
namespace {

void check_input(const char* op, const Tensor& x) {
  tape::check_defined(op, {{"x", x}});
  check(x.dim() == 4 && is_floating_point(x.dtype()), "{}: expected a floating-point [N,C,H,W], got {}", op,
        describe(x));
}

// One dimension's windows; `sizes` is what messages show of the input.
int64_t output_size(const char* op, const Shape& sizes, int64_t size, int kernel, int stride, int padding, int dilation,
                    bool ceil_mode) {
  check(kernel >= 1 && stride >= 1 && dilation >= 1 && padding >= 0 && 2 * padding <= dilation * (kernel - 1) + 1,
        "{}: kernel {}, stride {} and dilation {} must be positive, padding {} at most half the kernel", op, kernel,
        stride, dilation, padding);
  const int64_t room = size + 2 * padding - dilation * (kernel - 1) - 1 + (ceil_mode ? stride - 1 : 0);
  check(room >= 0 && size > 0, "{}: kernel {} is larger than input {} with padding {}", op, kernel, to_string(sizes),
        padding);
  const int64_t outputs = room / stride + 1;
  return ceil_mode && (outputs - 1) * stride >= size + padding ? outputs - 1 : outputs;
}

// How far the last window reaches beyond the padding at the end.
int64_t overhang(int64_t outputs, int64_t size, int kernel, int stride, int padding, int dilation) {
  return std::max<int64_t>(0, (outputs - 1) * stride + dilation * (kernel - 1) + 1 - size - 2 * padding);
}

// A window with more places than a kernel's index can name: all of them side by side.
Tensor max_over_many(const Tensor& x, const Pool2dOptions& o, Pair stride, int64_t rows, int64_t columns) {
  const int64_t below = overhang(rows, x.size(2), o.kernel.h, stride.h, o.padding.h, o.dilation.h);
  const int64_t right = overhang(columns, x.size(3), o.kernel.w, stride.w, o.padding.w, o.dilation.w);
  const Tensor bordered = pad(x, {o.padding.w, o.padding.w + right, o.padding.h, o.padding.h + below},
                              PadMode::Constant, -std::numeric_limits<double>::infinity());
  const Tensor places = unfold(bordered, o.kernel, o.dilation, 0, stride);
  return max(reshape(places, {x.size(0), x.size(1), o.kernel.h * o.kernel.w, rows, columns}), 2);
}

// By what avg_pool2d divides along one dimension: the places of each window that count.
std::vector<double> counted_places(int64_t outputs, int64_t size, int kernel, int stride, int padding, bool with_pad) {
  std::vector<double> counts;
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t begin = o * stride - padding, end = std::min<int64_t>(begin + kernel, size + padding);
    counts.push_back(static_cast<double>(with_pad ? end - begin : std::min(end, size) - std::max<int64_t>(begin, 0)));
  }
  return counts;
}

int64_t window_begin(int64_t i, int64_t size, int64_t outputs) {
  return i * size / outputs;
}
int64_t window_end(int64_t i, int64_t size, int64_t outputs) {
  return ((i + 1) * size + outputs - 1) / outputs;
}

void check_adaptive(const char* op, const Tensor& x, Pair size) {
  check_input(op, x);
  check(size.h >= 1 && size.w >= 1 && x.size(2) >= 1 && x.size(3) >= 1, "{}: to {} of input {}", op, to_string(size),
        to_string(x.sizes()));
}

std::vector<WeightedWindow> averaging(int64_t size, int64_t outputs) {
  std::vector<WeightedWindow> windows;
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t begin = window_begin(o, size, outputs), count = window_end(o, size, outputs) - begin;
    windows.push_back({begin, std::vector<double>(static_cast<size_t>(count), 1.0 / static_cast<double>(count))});
  }
  return windows;
}

Tensor max_of_windows(const Tensor& x, int dim, int64_t outputs) {
  std::vector<Tensor> maxima;
  const int64_t size = x.size(dim);
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t begin = window_begin(o, size, outputs);
    maxima.push_back(max(narrow(x, dim, begin, window_end(o, size, outputs) - begin), dim));
  }
  return stack(maxima, dim);
}

}  // namespace

Tensor max_pool2d(const Tensor& x, const Pool2dOptions& o) {
  if (is_float16(x)) return to(max_pool2d(in_float32(x), o), DType::Float16);
  check_input("max_pool2d", x);
  const Pair stride = o.stride.value_or(o.kernel);
  const int64_t rows =
      output_size("max_pool2d", x.sizes(), x.size(2), o.kernel.h, stride.h, o.padding.h, o.dilation.h, o.ceil_mode);
  const int64_t columns =
      output_size("max_pool2d", x.sizes(), x.size(3), o.kernel.w, stride.w, o.padding.w, o.dilation.w, o.ceil_mode);
  if (o.kernel.h * o.kernel.w > 255) return max_over_many(x, o, stride, rows, columns);
  const OpScope scope("max_pool2d");
  const Shape sizes{x.size(0), x.size(1), rows, columns};
  const bool recorded = will_record({x});
  const Tensor y = empty(sizes, {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
  const Tensor index = recorded ? empty(sizes, {DType::UInt8, MemoryFormat::ChannelsLast, x.device()}) : Tensor();
  const ConvOptions window{.stride = stride, .padding = o.padding, .dilation = o.dilation};
  run_kernel(backend(x.device()).max_pool2d_forward, "max_pool2d", x.device(), y, index,
             ops::contiguous(x, MemoryFormat::ChannelsLast), o.kernel, window);
  if (!recorded) return record("max_pool2d", y, {x}, nullptr);
  auto rule = [index, x_sizes = x.sizes(), kernel = o.kernel, window](const Tensor& dy, const NeedsGrad&) {
    const Tensor dx = empty(x_sizes, {dy.dtype(), MemoryFormat::ChannelsLast, dy.device()});
    run_kernel(backend(dy.device()).max_pool2d_backward, "max_pool2d backward", dy.device(), dx,
               ops::contiguous(dy, MemoryFormat::ChannelsLast), index, kernel, window);
    return Grads{dx};
  };
  return record("max_pool2d", y, {x}, std::move(rule));
}

// Sums are a depthwise convolution with ones, or with the reciprocal count where that is the same everywhere.
Tensor avg_pool2d(const Tensor& x, const AvgPool2dOptions& o) {
  if (is_float16(x)) return to(avg_pool2d(in_float32(x), o), DType::Float16);
  check_input("avg_pool2d", x);
  const Pair stride = o.stride.value_or(o.kernel);
  const int64_t h = x.size(2), w = x.size(3);
  const int64_t rows = output_size("avg_pool2d", x.sizes(), h, o.kernel.h, stride.h, o.padding.h, 1, o.ceil_mode);
  const int64_t columns = output_size("avg_pool2d", x.sizes(), w, o.kernel.w, stride.w, o.padding.w, 1, o.ceil_mode);
  check(o.divisor_override.value_or(1) != 0, "avg_pool2d: divisor_override is 0");
  const auto down = counted_places(rows, h, o.kernel.h, stride.h, o.padding.h, o.count_include_pad);
  const auto along = counted_places(columns, w, o.kernel.w, stride.w, o.padding.w, o.count_include_pad);
  const auto even = [](const std::vector<double>& counts) {
    return std::all_of(counts.begin(), counts.end(), [&](double count) { return count == counts.front(); });
  };
  const bool same = o.divisor_override.has_value() || (even(down) && even(along));
  const double count = o.divisor_override ? *o.divisor_override : down.front() * along.front();

  const int64_t below = overhang(rows, h, o.kernel.h, stride.h, o.padding.h, 1);
  const int64_t right = overhang(columns, w, o.kernel.w, stride.w, o.padding.w, 1);
  const Tensor bordered = below + right > 0 ? pad(x, {0, right, 0, below}) : x;
  const DType parameters = x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  const Tensor weight =
      full({x.size(1), 1, o.kernel.h, o.kernel.w}, same ? 1 / count : 1.0, {parameters, {}, x.device()});
  const Tensor sums =
      conv2d(bordered, weight, {}, {.stride = stride, .padding = o.padding, .groups = static_cast<int>(x.size(1))});
  if (same) return sums;
  std::vector<double> reciprocals;
  for (const double r : down)
    for (const double c : along) reciprocals.push_back(1 / (r * c));
  return mul(sums, from_values(reciprocals, {rows, columns}, {sums.dtype(), {}, x.device()}));
}

// A mean of each dimension in turn; where windows are of one size it is avg_pool2d.
Tensor adaptive_avg_pool2d(const Tensor& x, Pair size) {
  check_adaptive("adaptive_avg_pool2d", x, size);
  if (size == 1) return mean(x, {2, 3}, true);
  const int64_t h = x.size(2), w = x.size(3);
  if (h % size.h == 0 && w % size.w == 0)
    return avg_pool2d(x, {.kernel = {static_cast<int>(h / size.h), static_cast<int>(w / size.w)}});
  const Tensor wide = x.dtype() == DType::Float64 ? x : to(x, DType::Float32);
  return to(sum_windows(sum_windows(wide, 2, averaging(h, size.h)), 3, averaging(w, size.w)), x.dtype());
}

// Along each row first, so that the first of equal maxima is the first in the order of rows.
Tensor adaptive_max_pool2d(const Tensor& x, Pair size) {
  check_adaptive("adaptive_max_pool2d", x, size);
  return max_of_windows(max_of_windows(x, 3, size.w), 2, size.h);
}

}  // namespace bevgrad
