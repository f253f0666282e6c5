#include "autograd/functions/pool.h"

#include <limits>

#include "autograd/op_cases.h"
#include "support/image.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

OpCase pool_case(const std::string& variant, const Shape& x, const Pool2dOptions& o) {
  return {.op = "max_pool2d",
          .variant = variant,
          .inputs = {{x}},
          .function = [o](const Tensors& t) { return max_pool2d(t[0], o); },
          .reference =
              [o](const Tensors& t) {
                const Image in(t[0]);
                Image out(in.n, in.c, (in.h + 2 * o.padding - o.kernel) / o.stride + 1,
                          (in.w + 2 * o.padding - o.kernel) / o.stride + 1);
                out.for_each([&](int64_t n, int64_t c, int64_t y, int64_t x) {
                  double best = -std::numeric_limits<double>::infinity();
                  for (int r = 0; r < o.kernel; ++r)
                    for (int q = 0; q < o.kernel; ++q) {
                      const int64_t iy = y * o.stride - o.padding + r, ix = x * o.stride - o.padding + q;
                      if (in.inside(iy, ix)) best = std::max(best, in.get(n, c, iy, ix));
                    }
                  out.at(n, c, y, x) = best;
                });
                return out.tensor();
              },
          .empty = {{0, x[1], x[2], x[3]}}};
}

}  // namespace

std::vector<OpCase> pool_cases() {
  std::vector<OpCase> rows{
      pool_case("3 stride 2 padding 1", {2, 3, 5, 8}, {3, 2, 1}),
      pool_case("2 stride 2", {1, 17, 4, 5}, {2, 2, 0}),
      pool_case("3 stride 1", {1, 2, 4, 3}, {3, 1, 1}),
      pool_case("gaps between windows", {1, 2, 7, 7}, {2, 3, 0}),
      pool_case("one pixel", {1, 1, 1, 1}, {3, 2, 1}),
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
  return rows;
}

}  // namespace bevgrad::testing
