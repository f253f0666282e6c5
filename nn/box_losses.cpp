#include "nn/box_losses.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "autograd/functions/elementary.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "tensor/launch.h"

namespace bevgrad {
namespace {

Tensor reduced_losses(const Tensor& losses, Reduction reduction) {
  if (reduction == Reduction::None) return losses;
  return reduction == Reduction::Sum ? sum(losses) : mean(losses);
}

void check_boxes(const char* op, const Tensor& predicted, const Tensor& targets, int64_t width) {
  tape::check_defined(op, {{"predicted", predicted}, {"targets", targets}});
  check(predicted.dim() == 2 && predicted.size(1) == width && predicted.sizes() == targets.sizes() &&
            predicted.dtype() == targets.dtype() && predicted.device() == targets.device() &&
            (predicted.dtype() == DType::Float32 || predicted.dtype() == DType::Float64),
        "{}: predicted boxes are {}, targets {}; expected both [N,{}] of float32 or float64", op, describe(predicted),
        describe(targets), width);
}

Tensor corner(const Tensor& boxes, int64_t first) {
  return narrow(boxes, 1, first, 2);
}

// Products of two sides, none below 0: [N].
Tensor area(const Tensor& low, const Tensor& high) {
  const Tensor sides = relu(sub(high, low));
  return mul(select(sides, 1, 0), select(sides, 1, 1));
}

// a / b where b is positive, else 0; b is not negative.
Tensor share(const Tensor& a, const Tensor& b) {
  constexpr double kLeast = 1e-12;
  return div(a, clamp(b, kLeast, 1e30));
}

struct BoxOverlap {
  Tensor iou, joint;
};

BoxOverlap overlap(const Tensor& a, const Tensor& b) {
  const Tensor common = area(maximum(corner(a, 0), corner(b, 0)), minimum(corner(a, 2), corner(b, 2)));
  const Tensor joint = sub(add(area(corner(a, 0), corner(a, 2)), area(corner(b, 0), corner(b, 2))), common);
  return {share(common, joint), joint};
}

// A number with its slopes along the ten numbers of two boxes.
struct Dual {
  double value = 0;
  std::array<double, 10> slopes{};

  Dual() = default;
  Dual(double constant) : value(constant) {}  // NOLINT(google-explicit-constructor)
  // f(value), which moves with `slope` times as much.
  Dual through(double f, double slope) const {
    Dual y(f);
    for (size_t i = 0; i < slopes.size(); ++i) y.slopes[i] = slope * slopes[i];
    return y;
  }
};
Dual combined(double value, const Dual& a, double da, const Dual& b, double db) {
  Dual y(value);
  for (size_t i = 0; i < y.slopes.size(); ++i) y.slopes[i] = da * a.slopes[i] + db * b.slopes[i];
  return y;
}
Dual operator+(const Dual& a, const Dual& b) {
  return combined(a.value + b.value, a, 1, b, 1);
}
Dual operator-(const Dual& a, const Dual& b) {
  return combined(a.value - b.value, a, 1, b, -1);
}
Dual operator*(const Dual& a, const Dual& b) {
  return combined(a.value * b.value, a, b.value, b, a.value);
}
Dual operator/(const Dual& a, const Dual& b) {
  return combined(a.value / b.value, a, 1 / b.value, b, -a.value / (b.value * b.value));
}

struct Point {
  Dual x, y;
};

Dual cross(const Point& a, const Point& b, const Point& c) {
  return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

using Box = std::array<Dual, 5>;

// Counter-clockwise.
std::vector<Point> corners(const Box& box) {
  const auto& [x, y, length, width, angle] = box;
  const Dual c = angle.through(std::cos(angle.value), -std::sin(angle.value));
  const Dual s = angle.through(std::sin(angle.value), std::cos(angle.value));
  std::vector<Point> points;
  for (const auto& [along, across] : {std::pair{0.5, 0.5}, {-0.5, 0.5}, {-0.5, -0.5}, {0.5, -0.5}}) {
    const Dual u = length * along, v = width * across;
    points.push_back({x + c * u - s * v, y + s * u + c * v});
  }
  return points;
}

// What of a convex polygon lies left of the line from a to b (Sutherland and Hodgman, 1974).
std::vector<Point> cut(const std::vector<Point>& polygon, const Point& a, const Point& b) {
  std::vector<Point> kept;
  for (size_t i = 0; i < polygon.size(); ++i) {
    const Point &from = polygon[i], &to = polygon[(i + 1) % polygon.size()];
    const Dual begin = cross(a, b, from), end = cross(a, b, to);
    if (begin.value >= 0) kept.push_back(from);
    if ((begin.value >= 0) == (end.value >= 0)) continue;
    const Dual at = begin / (begin - end);
    kept.push_back({from.x + at * (to.x - from.x), from.y + at * (to.y - from.y)});
  }
  return kept;
}

Dual rotated_iou(const Box& a, const Box& b) {
  std::vector<Point> common = corners(a);
  const std::vector<Point> other = corners(b);
  for (size_t i = 0; i < other.size() && !common.empty(); ++i) common = cut(common, other[i], other[(i + 1) % 4]);
  Dual twice;
  for (size_t i = 2; i < common.size(); ++i) twice = twice + cross(common[0], common[i - 1], common[i]);
  const Dual both = twice * 0.5;
  return both / (a[2] * a[3] + b[2] * b[3] - both);
}

}  // namespace

Tensor iou_loss(const Tensor& predicted, const Tensor& targets, Reduction reduction) {
  check_boxes("iou_loss", predicted, targets, 4);
  return reduced_losses(add(neg(overlap(predicted, targets).iou), 1.0), reduction);
}

Tensor giou_loss(const Tensor& predicted, const Tensor& targets, Reduction reduction) {
  check_boxes("giou_loss", predicted, targets, 4);
  const auto [iou, joint] = overlap(predicted, targets);
  const Tensor hull =
      area(minimum(corner(predicted, 0), corner(targets, 0)), maximum(corner(predicted, 2), corner(targets, 2)));
  return reduced_losses(add(sub(share(sub(hull, joint), hull), iou), 1.0), reduction);
}

Tensor rotated_iou_loss(const Tensor& predicted, const Tensor& targets, Reduction reduction) {
  check_boxes("rotated_iou_loss", predicted, targets, 5);
  const OpScope scope("rotated_iou_loss");
  const auto on_host = [](const Tensor& boxes) {
    return ops::contiguous(ops::to(ops::to(detach(boxes), Device{}), DType::Float64));
  };
  const Tensor a = on_host(predicted), b = on_host(targets);
  const int64_t count = a.size(0);
  const Tensor losses = empty({count}, {DType::Float64}), slopes = empty({count, 10}, {DType::Float64});
  const double *p = a.data<const double>(), *t = b.data<const double>();
  for (int64_t i = 0; i < count; ++i)
    for (const double* box : {p + i * 5, t + i * 5})
      check(box[2] > 0 && box[3] > 0, "rotated_iou_loss: box {} is {} long and {} wide, expected positive numbers", i,
            box[2], box[3]);
  double *loss = losses.data<double>(), *slope = slopes.data<double>();
  launch_host(
      count,
      [=](int64_t i) {
        Box boxes[2];
        for (size_t k = 0; k < 10; ++k) {
          Dual& number = boxes[k / 5][k % 5];
          number = Dual((k < 5 ? p : t)[i * 5 + static_cast<int64_t>(k % 5)]);
          number.slopes[k] = 1;
        }
        const Dual iou = rotated_iou(boxes[0], boxes[1]);
        loss[i] = 1 - iou.value;
        for (size_t k = 0; k < 10; ++k) slope[i * 10 + static_cast<int64_t>(k)] = -iou.slopes[k];
      },
      2000);
  const Tensor y = ops::to(ops::to(losses, predicted.dtype()), predicted.device());
  const Tensor moves = ops::to(ops::to(slopes, predicted.dtype()), predicted.device());
  const auto rule = [moves](const Tensor& dy, const NeedsGrad&) {
    const Tensor both = ops::mul(moves, ops::unsqueeze(dy, 1));
    return Grads{ops::narrow(both, 1, 0, 5), ops::narrow(both, 1, 5, 5)};
  };
  return reduced_losses(record("rotated_iou_loss", y, {predicted, targets}, rule), reduction);
}

}  // namespace bevgrad
