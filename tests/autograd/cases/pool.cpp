#include "autograd/functions/pool.h"

#include <algorithm>
#include <limits>

#include "autograd/op_cases.h"
#include "support/image.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

// By PyTorch's words: the last window begins within the input or its left padding.
int64_t windows(int64_t size, int kernel, int stride, int padding, int dilation, bool ceil_mode) {
  int64_t count = 0;
  for (int64_t begin = -padding;; begin += stride, ++count) {
    const int64_t end = begin + dilation * (kernel - 1) + 1;  // of a window
    const bool fits = end <= size + padding;
    const bool reaches = ceil_mode && begin < size && end - stride < size + padding;
    if (!fits && !reaches) return count;
  }
}

OpCase max_case(const std::string& variant, const Shape& x, const Pool2dOptions& o) {
  return {.op = "max_pool2d",
          .variant = variant,
          .inputs = {{x}},
          .function = [o](const Tensors& t) { return max_pool2d(t[0], o); },
          .reference =
              [o](const Tensors& t) {
                const Image in(t[0]);
                const Pair s = o.stride.value_or(o.kernel), p = o.padding, d = o.dilation;
                Image out(in.n, in.c, windows(in.h, o.kernel.h, s.h, p.h, d.h, o.ceil_mode),
                          windows(in.w, o.kernel.w, s.w, p.w, d.w, o.ceil_mode));
                out.for_each([&](int64_t n, int64_t c, int64_t y, int64_t x) {
                  double best = -std::numeric_limits<double>::infinity();
                  for (int r = 0; r < o.kernel.h; ++r)
                    for (int q = 0; q < o.kernel.w; ++q) {
                      const int64_t iy = y * s.h - p.h + r * d.h, ix = x * s.w - p.w + q * d.w;
                      if (in.inside(iy, ix)) best = std::max(best, in.get(n, c, iy, ix));
                    }
                  out.at(n, c, y, x) = best;
                });
                return out.tensor();
              },
          .empty = {{0, x[1], x[2], x[3]}}};
}

OpCase avg_case(const std::string& variant, const Shape& x, const AvgPool2dOptions& o) {
  return {.op = "avg_pool2d",
          .variant = variant,
          .inputs = {{x}},
          .function = [o](const Tensors& t) { return avg_pool2d(t[0], o); },
          .reference =
              [o](const Tensors& t) {
                const Image in(t[0]);
                const Pair s = o.stride.value_or(o.kernel), p = o.padding;
                Image out(in.n, in.c, windows(in.h, o.kernel.h, s.h, p.h, 1, o.ceil_mode),
                          windows(in.w, o.kernel.w, s.w, p.w, 1, o.ceil_mode));
                out.for_each([&](int64_t n, int64_t c, int64_t y, int64_t x) {
                  double sum = 0;
                  int count = 0;
                  for (int r = 0; r < o.kernel.h; ++r)
                    for (int q = 0; q < o.kernel.w; ++q) {
                      const int64_t iy = y * s.h - p.h + r, ix = x * s.w - p.w + q;
                      sum += in.get(n, c, iy, ix);
                      count += in.inside(iy, ix) || (o.count_include_pad && iy < in.h + p.h && ix < in.w + p.w);
                    }
                  out.at(n, c, y, x) = sum / o.divisor_override.value_or(count);
                });
                return out.tensor();
              },
          .empty = {{0, x[1], x[2], x[3]}}};
}

OpCase adaptive_case(const std::string& op, const std::string& variant, const Shape& x, Pair size) {
  const bool mean = op == "adaptive_avg_pool2d";
  return {
      .op = op,
      .variant = variant,
      .inputs = {{x}},
      .function =
          [=](const Tensors& t) { return mean ? adaptive_avg_pool2d(t[0], size) : adaptive_max_pool2d(t[0], size); },
      .reference =
          [=](const Tensors& t) {
            const Image in(t[0]);
            Image out(in.n, in.c, size.h, size.w);
            out.for_each([&](int64_t n, int64_t c, int64_t y, int64_t x) {
              double sum = 0, best = -std::numeric_limits<double>::infinity();
              int count = 0;
              for (int64_t i = 0; i < in.h; ++i)
                for (int64_t j = 0; j < in.w; ++j) {
                  // Whether [i, i + 1) of H lies in [y, y + 1) of OH, in part at least.
                  if ((i + 1) * size.h <= y * in.h || i * size.h >= (y + 1) * in.h) continue;
                  if ((j + 1) * size.w <= x * in.w || j * size.w >= (x + 1) * in.w) continue;
                  sum += in.get(n, c, i, j);
                  best = std::max(best, in.get(n, c, i, j));
                  ++count;
                }
              out.at(n, c, y, x) = mean ? sum / count : best;
            });
            return out.tensor();
          },
      .empty = {{0, x[1], x[2], x[3]}}};
}

}  // namespace

std::vector<OpCase> pool_cases() {
  std::vector<OpCase> rows{
      max_case("3 stride 2 padding 1", {2, 3, 5, 8}, {3, 2, 1}),
      max_case("2 stride 2", {1, 17, 4, 5}, {2, 2, 0}),
      max_case("3 stride 1", {1, 2, 4, 3}, {3, 1, 1}),
      max_case("gaps between windows", {1, 2, 7, 7}, {2, 3, 0}),
      max_case("one pixel", {1, 1, 1, 1}, {3, 2, 1}),
      max_case("rectangular", {2, 3, 6, 7}, {{2, 3}, {{1, 2}}, {1, 0}}),
      max_case("dilation", {1, 3, 8, 7}, {{3, 2}, {{2, 1}}, {1, 1}, {2, 3}}),
      max_case("rounded up", {1, 2, 6, 5}, {3, 2, 1, 1, true}),
      max_case("rounded up, begins beyond", {1, 2, 4, 4}, {{1, 2}, 2, {0, 1}, 1, true}),
      max_case("stride of the kernel", {1, 2, 7, 6}, {.kernel = 3}),
      max_case("more than 255 places", {1, 2, 19, 18}, {16, 3, 2, 1, true}),
      avg_case("2", {2, 3, 4, 6}, {}),
      avg_case("3 stride 2 padding 1", {2, 3, 7, 6}, {3, 2, 1}),
      avg_case("padding does not count", {1, 17, 5, 6}, {3, 2, 1, false, false}),
      avg_case("rounded up", {1, 2, 6, 5}, {3, 2, 1, true}),
      avg_case("rounded up, padding does not count", {1, 2, 6, 7}, {{2, 3}, {{3, 2}}, {1, 0}, true, false}),
      avg_case("divisor", {1, 2, 5, 5}, {.kernel = 3, .stride = 1, .divisor_override = 4}),
      adaptive_case("adaptive_avg_pool2d", "to 1", {2, 3, 4, 5}, 1),
      adaptive_case("adaptive_avg_pool2d", "divides", {2, 3, 6, 8}, {3, 2}),
      adaptive_case("adaptive_avg_pool2d", "uneven", {1, 3, 7, 5}, {3, 4}),
      adaptive_case("adaptive_avg_pool2d", "larger", {1, 2, 3, 2}, {5, 4}),
      adaptive_case("adaptive_max_pool2d", "uneven", {2, 3, 7, 5}, {3, 4}),
      adaptive_case("adaptive_max_pool2d", "larger", {1, 2, 3, 2}, {5, 4}),
  };
  rows[0].errors = {
      {[] {
         max_pool2d(zeros({1, 2, 2, 2}), {3, 1, 0});
       },
       "max_pool2d: kernel 3 is larger than input [1,2,2,2]"},
      {[] {
         max_pool2d(zeros({1, 2, 4, 4}), {2, 1, 2});
       },
       "padding 2"},
      {[] {
         max_pool2d(zeros({2, 4, 4}));
       },
       "expected a floating-point [N,C,H,W], got float32 [2,4,4]"},
  };
  rows[11].errors = {{[] {
                        avg_pool2d(zeros({1, 2, 2, 2}), {.kernel = 3});
                      },
                      "avg_pool2d: kernel 3 is larger than input [1,2,2,2]"},
                     {[] {
                        avg_pool2d(zeros({1, 2, 2, 2}), {.divisor_override = 0});
                      },
                      "divisor_override is 0"}};
  rows[17].errors = {{[] {
                        adaptive_avg_pool2d(zeros({1, 2, 2, 2}), {0, 1});
                      },
                      "adaptive_avg_pool2d: to 0x1 of input [1,2,2,2]"}};
  return rows;
}

}  // namespace bevgrad::testing
