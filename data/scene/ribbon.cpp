// Reference lines of roads and the lane marks along them.
#include <algorithm>
#include <cmath>

#include "geometry/polyline.h"
#include "scene/internal/layout_parts.h"

namespace bevgrad::scene {

Ribbon::Ribbon(Vec2 start, double heading, const std::vector<double>& curvature) {
  Vec2 p = start;
  points_.push_back(p);
  headings_.push_back(heading);
  for (double k : curvature) {
    p = p + direction(heading + k / 2);
    heading += k;
    points_.push_back(p);
    headings_.push_back(heading);
  }
}

Vec2 Ribbon::at(double s, double shift) const {
  const double clamped = std::clamp(s, 0.0, length());
  const size_t i = std::min(static_cast<size_t>(clamped), points_.size() - 2);
  const double t = clamped - static_cast<double>(i);
  const Vec2 middle = points_[i] * (1 - t) + points_[i + 1] * t;
  return middle + left_of(direction(heading(s))) * shift + direction(heading(s)) * (s - clamped);
}

double Ribbon::heading(double s) const {
  const double clamped = std::clamp(s, 0.0, length());
  const size_t i = std::min(static_cast<size_t>(clamped), headings_.size() - 2);
  const double t = clamped - static_cast<double>(i);
  return headings_[i] * (1 - t) + headings_[i + 1] * t;
}

std::vector<Vec2> Ribbon::line(double s0, double s1, double shift) const {
  const int steps = std::max(1, static_cast<int>(std::ceil(std::abs(s1 - s0) / 1.5)));
  std::vector<Vec2> result;
  for (int i = 0; i <= steps; ++i) result.push_back(at(s0 + (s1 - s0) * i / steps, shift));
  return result;
}

std::vector<Vec2> Ribbon::band(double s0, double s1, double shift0, double shift1) const {
  std::vector<Vec2> result = line(s0, s1, shift0);
  const std::vector<Vec2> back = line(s1, s0, shift1);
  result.insert(result.end(), back.begin(), back.end());
  return result;
}

LaneMark style_mark(LaneType type, std::vector<Vec2> line, Random& random) {
  LaneMark mark;
  mark.type = type;
  mark.line = std::move(line);
  mark.stripe = random.uniform(0.13, 0.18);
  mark.spacing = random.uniform(0.13, 0.2);
  mark.wear = random.chance(0.35) ? random.uniform(0.1, 0.6) : random.uniform(0, 0.1);
  switch (type) {
    case LaneType::WideSolidLine:
      mark.stripe = random.uniform(0.35, 0.45);
      break;
    case LaneType::WideDashedLine:
      mark.stripe = random.uniform(0.35, 0.45);
      mark.dash = random.uniform(2.5, 3.5);
      mark.gap = random.uniform(2.5, 4);
      break;
    case LaneType::ShortDashedLine:
      mark.dash = random.uniform(0.9, 1.2);
      mark.gap = random.uniform(0.9, 1.3);
      break;
    default:
      mark.dash = random.uniform(3, 5);
      mark.gap = random.uniform(3, 6);
  }
  mark.phase = random.uniform(0, mark.dash + mark.gap);
  const float brightness = static_cast<float>(random.uniform(0.85, 1.05));
  const bool yellow = mark.type == LaneType::DoubleSolidLine || random.chance(0.12);
  mark.colour = (yellow ? Rgb{222, 172, 50} : Rgb{228, 228, 224}) * brightness;
  return mark;
}

namespace {

LaneType pick_type(BoundaryRole role, Random& random) {
  using enum LaneType;
  switch (role) {
    case BoundaryRole::Centre:
      return random.pick({DoubleSolidLine, DoubleSolidLine, SolidLine, DashedLine, DoubleDashedLine, DoubleDashedLine,
                          RightSolidLeftDashed, LeftSolidRightDashed});
    case BoundaryRole::Divider:
      return random.pick({DashedLine, DashedLine, DashedLine, SolidLine, RightSolidLeftDashed, LeftSolidRightDashed,
                          WideDashedLine, ShortDashedLine});
    case BoundaryRole::Edge:
      break;
  }
  return random.pick({SolidLine, SolidLine, WideSolidLine, WideSolidLine, ShortDashedLine, WideDashedLine});
}

}  // namespace

void add_boundary(const Ribbon& ribbon, double s0, double s1, double shift, BoundaryRole role, Random& random,
                  Layout& layout) {
  double s = s0;
  while (s1 - s > 2) {
    const double end = std::min(s1, s + random.uniform(8, 24));
    if (!random.chance(0.14))
      layout.lane_marks.push_back(style_mark(pick_type(role, random), ribbon.line(s, end, shift), random));
    s = end + (random.chance(0.4) ? random.uniform(0.8, 3) : 0);
  }
}

}  // namespace bevgrad::scene
