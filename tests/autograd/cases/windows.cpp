#include "autograd/functions/windows.h"

#include "autograd/op_cases.h"
#include "support/image.h"
#include "tensor/backend.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

struct Windows {
  Pair kernel, dilation = 1, padding = 0, stride = 1;

  int64_t rows(int64_t h) const { return conv_size(h, kernel.h, stride.h, padding.h, dilation.h); }
  int64_t columns(int64_t w) const { return conv_size(w, kernel.w, stride.w, padding.w, dilation.w); }

  // Calls f(row of the result, window, c, y, x) for every place of every window of a [c,h,w] map, inside it or not.
  template <class F>
  void for_each(int64_t channels, int64_t h, int64_t w, const F& f) const {
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t r = 0; r < kernel.h; ++r)
        for (int64_t q = 0; q < kernel.w; ++q)
          for (int64_t i = 0; i < rows(h); ++i)
            for (int64_t j = 0; j < columns(w); ++j)
              f((c * kernel.h + r) * kernel.w + q, i * columns(w) + j, c, i * stride.h - padding.h + r * dilation.h,
                j * stride.w - padding.w + q * dilation.w);
  }
};

OpCase unfold_case(const std::string& variant, const Shape& x, const Windows& s) {
  return {.op = "unfold",
          .variant = variant,
          .inputs = {{x}},
          .function = [s](const Tensors& t) { return unfold(t[0], s.kernel, s.dilation, s.padding, s.stride); },
          .reference =
              [s](const Tensors& t) {
                const Image in(t[0]);
                const int64_t height = in.c * s.kernel.h * s.kernel.w, width = s.rows(in.h) * s.columns(in.w);
                std::vector<double> values(static_cast<size_t>(in.n * height * width));
                for (int64_t n = 0; n < in.n; ++n)
                  s.for_each(in.c, in.h, in.w, [&](int64_t row, int64_t window, int64_t c, int64_t y, int64_t x) {
                    values[(n * height + row) * width + window] = in.get(n, c, y, x);
                  });
                return from_values(values, {in.n, height, width}, {DType::Float64});
              },
          .empty = {{0, x[1], x[2], x[3]}}};
}

OpCase fold_case(const std::string& variant, int64_t n, int64_t channels, Pair size, const Windows& s) {
  const Shape sizes{n, channels * s.kernel.h * s.kernel.w, s.rows(size.h) * s.columns(size.w)};
  return {.op = "fold",
          .variant = variant,
          .inputs = {{sizes}},
          .function = [=](const Tensors& t) { return fold(t[0], size, s.kernel, s.dilation, s.padding, s.stride); },
          .reference =
              [=](const Tensors& t) {
                const std::vector<double> values = t[0].to_vector();
                Image out(n, channels, size.h, size.w);
                for (int64_t i = 0; i < n; ++i)
                  s.for_each(channels, size.h, size.w,
                             [&](int64_t row, int64_t window, int64_t c, int64_t y, int64_t x) {
                               if (out.inside(y, x))
                                 out.at(i, c, y, x) += values[(i * sizes[1] + row) * sizes[2] + window];
                             });
                return out.tensor();
              },
          .empty = {{0, sizes[1], sizes[2]}}};
}

}  // namespace

std::vector<OpCase> windows_cases() {
  std::vector<OpCase> rows{
      unfold_case("3", {2, 2, 4, 5}, {3}),
      unfold_case("uneven", {1, 3, 6, 7}, {{2, 3}, {2, 1}, {1, 2}, {1, 3}}),
      fold_case("3", 2, 2, {4, 5}, {3}),
      fold_case("uneven", 1, 3, {6, 7}, {{2, 3}, {2, 1}, {1, 2}, {1, 3}}),
  };
  rows[0].errors = {{[] {
                       unfold(zeros({1, 2, 2, 5}), 3);
                     },
                     "unfold: kernel 3 with dilation 1 is larger than a map of 2x5 with padding 0"}};
  rows[2].errors = {{[] {
                       fold(zeros({1, 18, 5}), {4, 5}, 3);
                     },
                     "fold: a map of 4x5 has 6 windows, input [1,18,5] has 5"},
                    {[] {
                       fold(zeros({1, 17, 6}), {4, 5}, 3);
                     },
                     "expected a floating-point [N, C * 9, L], got float32 [1,17,6]"}};
  return rows;
}

}  // namespace bevgrad::testing
