#include "geometry/polyline.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

namespace bevgrad {

namespace {

Vec2 unit_vector(Vec2 v) {
  const double n = norm(v);
  return n > 0 ? v * (1 / n) : Vec2{1, 0};
}

}  // namespace

double length(std::span<const Vec2> polyline) {
  double sum = 0;
  for (size_t i = 0; i + 1 < polyline.size(); ++i) sum += norm(polyline[i + 1] - polyline[i]);
  return sum;
}

std::vector<Vec2> resample(std::span<const Vec2> polyline, int count) {
  if (polyline.empty()) throw std::invalid_argument("resample: the polyline has no points");
  if (count < 2) throw std::invalid_argument("resample: at least 2 points must be asked for");
  const double total = length(polyline);
  std::vector<Vec2> result;
  result.reserve(static_cast<size_t>(count));
  size_t segment = 0;
  double before = 0;
  for (int i = 0; i < count; ++i) {
    const double target = total * i / (count - 1);
    while (segment + 2 < polyline.size()) {
      const double step = norm(polyline[segment + 1] - polyline[segment]);
      if (before + step >= target) break;
      before += step;
      ++segment;
    }
    if (polyline.size() == 1 || i == 0) {
      result.push_back(polyline.front());
    } else if (i == count - 1) {
      result.push_back(polyline.back());
    } else {
      const Vec2 a = polyline[segment], b = polyline[segment + 1];
      const double step = norm(b - a);
      const double t = step > 0 ? std::clamp((target - before) / step, 0.0, 1.0) : 0;
      result.push_back(a + (b - a) * t);
    }
  }
  return result;
}

PolylinePoint at_length(std::span<const Vec2> polyline, double arc_length) {
  if (polyline.empty()) throw std::invalid_argument("at_length: the polyline has no points");
  if (polyline.size() == 1) return {polyline.front(), {1, 0}};
  double before = 0;
  for (size_t i = 0; i + 1 < polyline.size(); ++i) {
    const double step = norm(polyline[i + 1] - polyline[i]);
    if (before + step >= arc_length || i + 2 == polyline.size()) {
      const double t = step > 0 ? std::clamp((arc_length - before) / step, 0.0, 1.0) : 0;
      return {polyline[i] + (polyline[i + 1] - polyline[i]) * t, unit_vector(polyline[i + 1] - polyline[i])};
    }
    before += step;
  }
  return {polyline.back(), {1, 0}};
}

std::vector<Vec2> piece(std::span<const Vec2> polyline, double from, double to) {
  if (polyline.empty()) throw std::invalid_argument("piece: the polyline has no points");
  std::vector<Vec2> result = {at_length(polyline, from).position};
  double before = 0;
  for (size_t i = 0; i < polyline.size(); ++i) {
    if (i > 0) before += norm(polyline[i] - polyline[i - 1]);
    if (before > from && before < to) result.push_back(polyline[i]);
  }
  result.push_back(at_length(polyline, to).position);
  return result;
}

double distance_to_segment(Vec2 point, Vec2 a, Vec2 b) {
  const Vec2 edge = b - a;
  const double squared = dot(edge, edge);
  const double t = squared > 0 ? std::clamp(dot(point - a, edge) / squared, 0.0, 1.0) : 0;
  return norm(point - (a + edge * t));
}

double distance_to_polyline(Vec2 point, std::span<const Vec2> polyline) {
  if (polyline.size() == 1) return norm(point - polyline.front());
  double best = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i + 1 < polyline.size(); ++i)
    best = std::min(best, distance_to_segment(point, polyline[i], polyline[i + 1]));
  return best;
}

std::vector<Vec2> offset(std::span<const Vec2> polyline, double distance) {
  std::vector<Vec2> result;
  for (size_t i = 0; i < polyline.size(); ++i) {
    const Vec2 before = i > 0 ? unit_vector(polyline[i] - polyline[i - 1])
                              : unit_vector(polyline[std::min(i + 1, polyline.size() - 1)] - polyline[i]);
    const Vec2 after = i + 1 < polyline.size() ? unit_vector(polyline[i + 1] - polyline[i]) : before;
    const Vec2 bisector = unit_vector(before + after);
    const double stretch = std::max(0.5, dot(bisector, after));
    result.push_back(polyline[i] + left_of(bisector) * (distance / stretch));
  }
  return result;
}

}  // namespace bevgrad
