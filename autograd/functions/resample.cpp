#include "autograd/functions/resample.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/interpolate.h"
#include "autograd/functions/pool.h"
#include "autograd/functions/shape.h"
#include "functions/internal/float16.h"
#include "functions/internal/windows_sum.h"

namespace bevgrad {
namespace {

double linear_kernel(double x) {
  return std::max(0.0, 1 - std::abs(x));
}

double cubic_kernel(double x, double a) {
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// The input positions that an output position reads.
WeightedWindow window_of(int64_t output, int64_t in, int64_t out, const InterpolateOptions& o) {
  const double i = static_cast<double>(output);
  const bool cubic = o.mode == InterpolateMode::Bicubic;
  double scale = static_cast<double>(in) / static_cast<double>(out);
  if (o.align_corners) scale = out > 1 ? static_cast<double>(in - 1) / static_cast<double>(out - 1) : 0;
  if (o.mode == InterpolateMode::NearestExact) {
    return {std::min(in - 1, static_cast<int64_t>((i + 0.5) * scale)), {1.0}};
  }
  if (o.antialias) {
    const double wide = std::max(scale, 1.0), centre = scale * (i + 0.5), reach = (cubic ? 2.0 : 1.0) * wide;
    const auto first = std::max<int64_t>(static_cast<int64_t>(centre - reach + 0.5), 0);
    const auto last = std::min<int64_t>(static_cast<int64_t>(centre + reach + 0.5), in);
    WeightedWindow window{first, {}};
    double total = 0;
    for (int64_t p = first; p < last; ++p) {
      const double x = (static_cast<double>(p) - centre + 0.5) / wide;
      total += window.weights.emplace_back(cubic ? cubic_kernel(x, -0.5) : linear_kernel(x));
    }
    for (double& weight : window.weights) weight /= total;
    return window;
  }
  double at = o.align_corners ? i * scale : (i + 0.5) * scale - 0.5;
  if (!cubic) at = std::max(at, 0.0);
  const auto base = static_cast<int64_t>(std::floor(at));
  const double fraction = at - static_cast<double>(base);
  const int64_t before = cubic ? 1 : 0, after = cubic ? 2 : 1;
  const int64_t first = std::clamp<int64_t>(base - before, 0, in - 1);
  WeightedWindow window{
      first, std::vector<double>(static_cast<size_t>(std::clamp<int64_t>(base + after, 0, in - 1) - first + 1), 0.0)};
  for (int64_t p = base - before; p <= base + after; ++p) {
    const double x = fraction - static_cast<double>(p - base);
    window.weights[static_cast<size_t>(std::clamp<int64_t>(p, 0, in - 1) - first)] +=
        cubic ? cubic_kernel(x, -0.75) : linear_kernel(x);
  }
  return window;
}

std::vector<WeightedWindow> windows_of(int64_t in, int64_t out, const InterpolateOptions& options) {
  std::vector<WeightedWindow> windows;
  for (int64_t o = 0; o < out; ++o) windows.push_back(window_of(o, in, out, options));
  return windows;
}

}  // namespace

Tensor interpolate(const Tensor& x, Pair size, const InterpolateOptions& options) {
  if (is_float16(x)) return to(interpolate(in_float32(x), size, options), DType::Float16);
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
  const Tensor along = sum_windows(wide, 3, windows_of(x.size(3), size.w, options));
  return to(sum_windows(along, 2, windows_of(x.size(2), size.h, options)), x.dtype());
}

}  // namespace bevgrad
