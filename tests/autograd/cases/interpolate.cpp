#include "autograd/functions/interpolate.h"

#include "autograd/functions/resample.h"
#include "autograd/op_cases.h"
#include "support/image.h"

namespace bevgrad::testing {
namespace {

using Tensors = std::vector<Tensor>;

Tensor plain_nearest(const Tensor& x, int64_t height, int64_t width) {
  const Image in(x);
  Image out(in.n, in.c, height, width);
  out.for_each([&](int64_t n, int64_t c, int64_t y, int64_t z) {
    out.at(n, c, y, z) = in.get(n, c, y * in.h / height, z * in.w / width);
  });
  return out.tensor();
}

Tensor plain_bilinear(const Tensor& x, int64_t height, int64_t width) {
  const Image in(x);
  Image out(in.n, in.c, height, width);
  out.for_each([&](int64_t n, int64_t c, int64_t y, int64_t z) {
    auto source = [](int64_t i, int64_t size, int64_t wanted) {
      return std::clamp((static_cast<double>(i) + 0.5) * static_cast<double>(size) / static_cast<double>(wanted) - 0.5,
                        0.0, static_cast<double>(size - 1));
    };
    const double sy = source(y, in.h, height), sx = source(z, in.w, width);
    const auto y0 = static_cast<int64_t>(sy), x0 = static_cast<int64_t>(sx);
    const double v = sy - static_cast<double>(y0), u = sx - static_cast<double>(x0);
    out.at(n, c, y, z) = (1 - v) * ((1 - u) * in.get(n, c, y0, x0) + u * in.get(n, c, y0, x0 + 1)) +
                         v * ((1 - u) * in.get(n, c, y0 + 1, x0) + u * in.get(n, c, y0 + 1, x0 + 1));
  });
  return out.tensor();
}

using Resize = Tensor (*)(const Tensor&, int64_t, int64_t);

OpCase resize_case(const std::string& op, Resize function, Resize reference, const Shape& x, int64_t height,
                   int64_t width) {
  return {.op = op,
          .variant = fmt::format("{} to {}x{}", to_string(x), height, width),
          .inputs = {{x}},
          .function = [=](const Tensors& t) { return function(t[0], height, width); },
          .reference = [=](const Tensors& t) { return reference(t[0], height, width); },
          .empty = {{0, x[1], x[2], x[3]}}};
}

}  // namespace

std::vector<OpCase> interpolate_cases() {
  std::vector<OpCase> rows;
  for (const auto& [x, height, width] : std::vector<std::tuple<Shape, int64_t, int64_t>>{{{2, 3, 3, 5}, 6, 10},
                                                                                         {{1, 65, 2, 3}, 4, 6},
                                                                                         {{1, 2, 4, 5}, 7, 3},
                                                                                         {{2, 1, 1, 1}, 2, 2},
                                                                                         {{1, 2, 5, 6}, 5, 6},
                                                                                         {{1, 1, 30, 20}, 3, 2},
                                                                                         {{1, 2, 2, 3}, 20, 36}}) {
    rows.push_back(resize_case("interpolate_nearest", interpolate_nearest, plain_nearest, x, height, width));
    rows.push_back(resize_case("interpolate_bilinear", interpolate_bilinear, plain_bilinear, x, height, width));
  }
  rows[0].errors = {{[] {
                       interpolate_nearest(zeros({2, 3, 4}), 2, 2);
                     },
                     "interpolate_nearest: cannot resize [2,3,4]"},
                    {[] {
                       interpolate_bilinear(zeros({2, 3, 4, 4}), 0, 2);
                     },
                     "to [0,2]"}};
  // Values: tests/autograd/golden_functions.cpp.
  const InterpolateOptions kinds[] = {
      {InterpolateMode::Nearest},  {InterpolateMode::NearestExact},   {InterpolateMode::Area},
      {InterpolateMode::Bilinear}, {InterpolateMode::Bilinear, true}, {InterpolateMode::Bilinear, false, true},
      {InterpolateMode::Bicubic},  {InterpolateMode::Bicubic, true},  {InterpolateMode::Bicubic, false, true}};
  for (const InterpolateOptions& options : kinds)
    rows.push_back(
        {.op = "interpolate",
         .variant = fmt::format("mode {}{}{}", static_cast<int>(options.mode), options.align_corners ? ", corners" : "",
                                options.antialias ? ", antialias" : ""),
         .inputs = {{{2, 3, 5, 4}}},
         .function =
             [options](const Tensors& t) {
               return interpolate(t[0], {3, 7}, options);
             },
         .empty = {{0, 3, 5, 4}}});
  rows.back().errors = {{[] {
                           interpolate(zeros({1, 2, 3, 4}), {0, 2});
                         },
                         "interpolate: cannot resize float32 [1,2,3,4] on cpu to 0x2"},
                        {[] {
                           interpolate(zeros({1, 2, 3, 4}), 2, {.align_corners = true});
                         },
                         "align_corners and antialias are for bilinear and bicubic"}};
  rows.push_back({.op = "upsample_add",
                  .inputs = {{{2, 3, 2, 3}}, {{2, 3, 4, 6}}},
                  .function = [](const Tensors& t) { return upsample_add(t[0], t[1]); },
                  .reference = [](const Tensors& t) { return ops::add(plain_nearest(t[0], 4, 6), t[1]); },
                  .empty = {{0, 3, 2, 3}, {0, 3, 4, 6}},
                  .errors = {{[] {
                                upsample_add(zeros({1, 3, 2, 2}), zeros({1, 4, 4, 4}));
                              },
                              "upsample_add: float32 [1,3,2,2] on cpu does not go with float32 [1,4,4,4]"}}});
  return rows;
}

}  // namespace bevgrad::testing
