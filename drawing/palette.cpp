#include "drawing/palette.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace bevgrad {
namespace {

template <size_t N>
Color pick(const std::array<unsigned, N>& colors, size_t index) {
  return rgb(colors[index % N]);
}

}  // namespace

Color lane_color(size_t index) {
  static constexpr std::array<unsigned, kLaneColors> colors = {0xFFFFFF, 0xF0E442, 0x56B4E9, 0x009E73, 0xE69F00,
                                                               0xCC79A7, 0xD55E00, 0x8811FF, 0x99FF88};
  return pick(colors, index);
}

Color road_color(size_t index) {
  static constexpr std::array<unsigned, kRoadColors> colors = {0x3377FF, 0xFF11CC, 0xFFAA88, 0x00FFFF,
                                                               0x667700, 0xDD88FF, 0xCCCC88, 0xAA4444};
  return pick(colors, index);
}

Color instance_color(size_t index) {
  static constexpr std::array<unsigned, kInstanceColors> colors = {0x88BB00, 0xAAFFCC, 0xCCBBFF,
                                                                   0xBB2288, 0x996622, 0x6666AA};
  return pick(colors, index);
}

Color box_color(size_t index) {
  static constexpr std::array<unsigned, kBoxColors> colors = {0x00FF00, 0xFF0066, 0x0099FF, 0xFF6655,
                                                              0x00FFBB, 0x8844DD, 0x778866, 0x007777};
  return pick(colors, index);
}

Color voxel_color(size_t index) {
  static constexpr std::array<unsigned, kVoxelColors> colors = {0x906C60, 0x247824, 0x54606C,
                                                                0x483C18, 0x78486C, 0x003C6C};
  return pick(colors, index);
}

Color heat_color(double value) {
  if (std::isnan(value)) return rgb(0x777777);
  static constexpr std::array<unsigned, 9> stops = {0x440154, 0x472D7B, 0x3B528B, 0x2C728E, 0x21918C,
                                                    0x28AE80, 0x5EC962, 0xADDC30, 0xFDE725};
  const double at = std::clamp(value, 0.0, 1.0) * (stops.size() - 1);
  const auto low = std::min(static_cast<size_t>(at), stops.size() - 2);
  const double t = at - static_cast<double>(low);
  const Color a = rgb(stops[low]), b = rgb(stops[low + 1]);
  return {a.r + (b.r - a.r) * t, a.g + (b.g - a.g) * t, a.b + (b.b - a.b) * t, 1};
}

}  // namespace bevgrad
