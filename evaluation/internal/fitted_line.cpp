#include "internal/fitted_line.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "geometry/polyline.h"

namespace bevgrad {
namespace {

constexpr double kShortestWave = 4;  // metres: half of it stays
constexpr double kSmallestRadius = 2;
constexpr size_t kEndCells = 3;
constexpr double kEndWeight = 0.1;

/// Solves (W + stiffness D'D) y = W p, D the second differences: a symmetric band of five diagonals.
std::vector<Vec2> smoothed(const std::vector<Vec2>& points, const std::vector<double>& weights, double stiffness) {
  const size_t n = points.size();
  std::vector<std::array<double, 3>> band(n, {0, 0, 0});  // diagonal and the two below it
  std::vector<Vec2> y(n);
  for (size_t i = 0; i < n; ++i) {
    band[i][0] = weights[i];
    y[i] = points[i] * weights[i];
  }
  constexpr double d[3] = {1, -2, 1};
  for (size_t i = 0; i + 2 < n; ++i)
    for (size_t a = 0; a < 3; ++a)
      for (size_t b = 0; b <= a; ++b) band[i + b][a - b] += stiffness * d[a] * d[b];
  // Cholesky without roots, forward and back.
  for (size_t i = 0; i < n; ++i)
    for (size_t k = 1; k <= 2 && i + k < n; ++k) {
      const double factor = band[i][k] / band[i][0];
      for (size_t j = k; j <= 2; ++j) band[i + k][j - k] -= factor * band[i][j];
      y[i + k] = y[i + k] - y[i] * factor;
    }
  for (size_t i = n; i-- > 0;) {
    Vec2 rest = y[i];
    for (size_t k = 1; k <= 2 && i + k < n; ++k) rest = rest - y[i + k] * band[i][k];
    y[i] = rest * (1 / band[i][0]);
  }
  return y;
}

double sharpest_bend(const std::vector<Vec2>& points, double spacing) {
  double most = 0;
  for (size_t i = 1; i + 1 < points.size(); ++i)
    most = std::max(most, norm(points[i - 1] - points[i] * 2 + points[i + 1]) / (spacing * spacing));
  return most;
}

double furthest(const std::vector<Vec2>& a, const std::vector<Vec2>& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i) most = std::max(most, norm(a[i] - b[i]));
  return most;
}

}  // namespace

std::vector<Vec2> fitted_line(const std::vector<Vec2>& points, double cell) {
  const double all = length(points);
  const int count = std::max(2, static_cast<int>(std::lround(all / cell)) + 1);
  if (count < 4) return points;
  std::vector<Vec2> line = resample(points, count);
  const double spacing = all / (count - 1);
  std::vector<double> weights(line.size(), 1);
  const bool closed = points.front() == points.back();
  size_t around = 0;  // points that stand for the loop's other end, at both ends
  if (closed) {
    around = std::min<size_t>(line.size() - 1, static_cast<size_t>(std::ceil(3 * kShortestWave / spacing)));
    const std::vector<Vec2> loop(line.begin(), line.end() - 1);
    std::vector<Vec2> more;
    for (size_t i = 0; i < loop.size() + 2 * around; ++i)
      more.push_back(loop[(i + loop.size() * (1 + around / loop.size()) - around) % loop.size()]);
    line = std::move(more);
    weights.assign(line.size(), 1);
  } else {
    for (size_t i = 0; i < std::min(kEndCells, line.size() / 4); ++i)
      weights[i] = weights[line.size() - 1 - i] = kEndWeight;
  }
  double stiffness = std::pow(kShortestWave / (2 * std::numbers::pi * spacing), 4);
  std::vector<Vec2> fitted = smoothed(line, weights, stiffness);
  for (int i = 0; i < 4 && sharpest_bend(fitted, spacing) > 1 / kSmallestRadius; ++i) {
    stiffness *= 4;
    std::vector<Vec2> stiffer = smoothed(line, weights, stiffness);
    if (furthest(stiffer, line) > 1.5 * cell) break;
    fitted = std::move(stiffer);
  }
  if (!closed) return fitted;
  std::vector<Vec2> loop(fitted.begin() + static_cast<std::ptrdiff_t>(around),
                         fitted.end() - static_cast<std::ptrdiff_t>(around));
  loop.push_back(loop.front());
  return loop;
}

}  // namespace bevgrad
