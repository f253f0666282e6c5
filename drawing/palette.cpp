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
  static constexpr std::array<unsigned, 9> colors = {0xFFFFFF, 0xF0E442, 0x56B4E9, 0x009E73, 0xE69F00,
                                                     0xCC79A7, 0xD55E00, 0x88CCEE, 0xBBCC33};
  return pick(colors, index);
}

Color road_color(size_t index) {
  static constexpr std::array<unsigned, 8> colors = {0xAA4499, 0x44AA99, 0xDDAA33, 0x6699CC,
                                                     0x999933, 0xEE6677, 0x117733, 0xBBBBBB};
  return pick(colors, index);
}

Color instance_color(size_t index) {
  static constexpr std::array<unsigned, 6> colors = {0xDDAA33, 0x88CCEE, 0x44BB99, 0xEE8866, 0xFFAABB, 0xBBCC33};
  return pick(colors, index);
}

Color box_color(size_t index) {
  static constexpr std::array<unsigned, 8> colors = {0xE69F00, 0xD55E00, 0xCC79A7, 0x56B4E9,
                                                     0x009E73, 0x88CCEE, 0xF0E442, 0xBBBBBB};
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
