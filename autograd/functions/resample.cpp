#include "autograd/functions/resample.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/interpolate.h"
#include "autograd/functions/linear.h"
#include "autograd/functions/pool.h"
#include "autograd/functions/shape.h"

namespace bevgrad {
namespace {

using Weights = std::vector<double>;

double linear_kernel(double x) {
  return std::max(0.0, 1 - std::abs(x));
}

double cubic_kernel(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// What an output position weighs each input position with.
Weights weights_of(int64_t output, int64_t in, int64_t out, const InterpolateOptions& o) {
  Weights weights(static_cast<size_t>(in), 0.0);
  const double i = static_cast<double>(output);
  const bool cubic = o.mode == InterpolateMode::Bicubic;
  double scale = static_cast<double>(in) / static_cast<double>(out);
  if (o.align_corners) scale = out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
  if (o.mode == InterpolateMode::NearestExact) {
    weights[std::min(in - 1, static_cast<int64_t>((i + 0.5) * scale))] = 1;
    return weights;
  }
  if (o.antialias) {
    const double wide = std::max(scale, 1.0), centre = scale * (i + 0.5), reach = (cubic ? 2.0 : 1.0) * wide;
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - reach + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(centre + reach + 0.5), in);
    double total = 0;
    for (int64_t p = first; p < last; ++p) {
      const double x = (static_cast<double>(p) - centre + 0.5) / wide;
      total += weights[p] = cubic ? cubic_kernel(x, -0.5) : linear_kernel(x);
    }
    for (double& weight : weights) weight /= total;
    return weights;
  }
  double at = o.align_corners ? i * scale : (i + 0.5) * scale - 0.5;
  if (!cubic) at = std::max(at, 0.0);
  const auto base = static_cast<int64_t>(std::floor(at));
  const double fraction = at - static_cast<double>(base);
  for (int64_t p = base - (cubic ? 1 : 0); p <= base + (cubic ? 2 : 1); ++p) {
    const double x = fraction - static_cast<double>(p - base);
    weights[std::clamp<int64_t>(p, 0, in - 1)] += cubic ? cubic_kernel(x, -0.75) : linear_kernel(x);
  }
  return weights;
}

// [in, out]
Tensor matrix(int64_t in, int64_t out, const InterpolateOptions& options, const Tensor& like) {
  Weights values(static_cast<size_t>(in * out));
  for (int64_t o = 0; o < out; ++o) {
    const Weights column = weights_of(o, in, out, options);
    for (int64_t i = 0; i < in; ++i) values[i * out + o] = column[i];
  }
  return from_values(values, {in, out}, {like.dtype(), {}, like.device()});
}

}  // namespace

Tensor interpolate(const Tensor& x, Pair size, const InterpolateOptions& options) {
  tape::check_defined("interpolate", {{"x", x}});
  check(x.dim() == 4 && is_floating_point(x.dtype()) && x.size(2) > 0 && x.size(3) > 0 && size.h > 0 && size.w > 0,
        "interpolate: cannot resize {} to {}, expected a floating-point [N,C,H,W] and positive sizes", describe(x),
        to_string(size));
  const bool smooth = options.mode == InterpolateMode::Bilinear || options.mode == InterpolateMode::Bicubic;
  check(smooth || (!options.align_corners && !options.antialias),
        "interpolate: align_corners and antialias are for bilinear and bicubic");
  if (options.mode == InterpolateMode::Nearest) return interpolate_nearest(x, size.h, size.w);
  if (options.mode == InterpolateMode::Area) return adaptive_avg_pool2d(x, size);
  if (options.mode == InterpolateMode::Bilinear && !options.align_corners && !options.antialias)
    return interpolate_bilinear(x, size.h, size.w);
  const Tensor wide = x.dtype() == DType::BFloat16 ? to(x, DType::Float32) : x;
  const Tensor along = matmul(wide, matrix(x.size(3), size.w, options, wide));
  const Tensor down = matmul(transpose(along, 2, 3), matrix(x.size(2), size.h, options, wide));
  return to(transpose(down, 2, 3), x.dtype());
}

}  // namespace bevgrad
