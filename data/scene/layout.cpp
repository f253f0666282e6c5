#include "data/scene/layout.h"

#include <algorithm>
#include <cmath>

#include "geometry/polyline.h"
#include "scene/internal/layout_parts.h"

namespace bevgrad::scene {

const char* name(LaneType type) {
  static constexpr const char* names[kLaneTypes] = {"SolidLine",        "DoubleSolidLine",      "DashedLine",
                                                    "DoubleDashedLine", "RightSolidLeftDashed", "LeftSolidRightDashed",
                                                    "WideSolidLine",    "WideDashedLine",       "ShortDashedLine"};
  return names[static_cast<int>(type)];
}

const char* name(RoadType type) {
  static constexpr const char* names[kRoadTypes] = {"Wall",      "Curb",     "SpeedBump", "GroundSigns",
                                                    "freespace", "stopline", "crosswalk"};
  return names[static_cast<int>(type)];
}

const char* name(InstanceType type) {
  static constexpr const char* names[kInstanceTypes] = {"SpeedBump", "GroundSign", "ParkingSlot", "Column"};
  return names[static_cast<int>(type)];
}

const char* name(ActorType type) {
  static constexpr const char* names[kActorTypes] = {
      "car", "truck", "bus", "person", "non_motor", "riderless_non_motor", "barrier", "pillar"};
  return names[static_cast<int>(type)];
}

const char* name(LayoutKind kind) {
  return kind == LayoutKind::Street ? "street" : "parking";
}

namespace {

bool is_double(LaneType type) {
  return type == LaneType::DoubleSolidLine || type == LaneType::DoubleDashedLine ||
         type == LaneType::RightSolidLeftDashed || type == LaneType::LeftSolidRightDashed;
}

bool is_all_dashed(LaneType type) {
  return type == LaneType::DashedLine || type == LaneType::DoubleDashedLine || type == LaneType::WideDashedLine ||
         type == LaneType::ShortDashedLine;
}

void append_dashes(const LaneMark& mark, const std::vector<Vec2>& line, double width, std::vector<Stripe>& stripes) {
  const double total = length(line), period = mark.dash + mark.gap;
  if (!(period > 0.1)) {
    stripes.push_back({line, width});
    return;
  }
  for (double from = -mark.phase; from < total; from += period) {
    const double begin = std::max(from, 0.0), end = std::min(from + mark.dash, total);
    if (end - begin > 0.15) stripes.push_back({piece(line, begin, end), width});
  }
}

}  // namespace

std::vector<Stripe> painted_stripes(const LaneMark& mark) {
  std::vector<Stripe> stripes;
  const auto add = [&](double shift, bool dashed) {
    const std::vector<Vec2> line = shift == 0 ? mark.line : offset(mark.line, shift);
    if (dashed)
      append_dashes(mark, line, mark.stripe, stripes);
    else
      stripes.push_back({line, mark.stripe});
  };
  if (!is_double(mark.type)) {
    add(0, is_all_dashed(mark.type));
    return stripes;
  }
  const double shift = (mark.stripe + mark.spacing) / 2;
  const bool all = mark.type == LaneType::DoubleDashedLine;
  add(shift, all || mark.type == LaneType::RightSolidLeftDashed);
  add(-shift, all || mark.type == LaneType::LeftSolidRightDashed);
  return stripes;
}

std::vector<Stripe> labelled_pieces(const LaneMark& mark, bool bridge_gaps) {
  const double width = is_double(mark.type) ? 2 * mark.stripe + mark.spacing : mark.stripe;
  std::vector<Stripe> pieces;
  if (is_all_dashed(mark.type) && !bridge_gaps)
    append_dashes(mark, mark.line, width, pieces);
  else
    pieces.push_back({mark.line, width});
  return pieces;
}

Layout make_layout(const LayoutOptions& options, uint64_t layout_seed) {
  Random random(layout_seed);
  Layout layout;
  layout.kind = random.chance(options.parking) ? LayoutKind::Parking : LayoutKind::Street;
  layout.night = random.chance(options.night);
  layout.wetness = random.chance(0.3) ? random.uniform(0.3, 1) : 0;
  if (layout.kind == LayoutKind::Street)
    build_street(options, random.fork(1), layout);
  else
    build_parking(options, random.fork(2), layout);
  add_stains(random.fork(3), layout);
  return layout;
}

}  // namespace bevgrad::scene
