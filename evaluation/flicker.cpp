#include "evaluation/flicker.h"

#include <algorithm>
#include <cmath>

namespace bevgrad {
namespace {

constexpr uint32_t kIgnoredPlace = ~0u;
constexpr size_t kRemembered = 16;

}  // namespace

void FlickerCounts::operator+=(const FlickerCounts& other) {
  compared += other.compared;
  changed += other.changed;
  marked_compared += other.marked_compared;
  marked_changed += other.marked_changed;
  both += other.both;
  either += other.either;
  label_both += other.label_both;
  label_either += other.label_either;
}

FlickerFrame flicker_frame(const ProbabilityRaster& probabilities, const LabelRaster& labels, double timestamp,
                           const Pose& ego_pose) {
  check(probabilities.channels == labels.channels && probabilities.rows == labels.rows &&
            probabilities.columns == labels.columns && labels.channels <= 31,
        "flicker: predictions [{},{},{}] and labels [{},{},{}] do not fit", probabilities.channels, probabilities.rows,
        probabilities.columns, labels.channels, labels.rows, labels.columns);
  const auto cells = static_cast<size_t>(labels.cells());
  FlickerFrame frame{timestamp, ego_pose, std::vector<uint8_t>(cells, 0), std::vector<uint32_t>(cells, 0)};
  std::vector<float> best(cells, 0.0f);
  for (int64_t c = 0; c < labels.channels; ++c) {
    const auto p = probabilities.plane(c);
    const auto l = labels.plane(c);
    for (size_t i = 0; i < cells; ++i) {
      if (p[i] >= 0.5f && p[i] > best[i]) {
        best[i] = p[i];
        frame.predicted[i] = static_cast<uint8_t>(c + 1);
      }
      if (l[i] == 255)
        frame.labels[i] = kIgnoredPlace;
      else if (l[i] == 1)
        frame.labels[i] |= 1u << c;
    }
  }
  return frame;
}

std::array<FlickerCounts, kNumStrata> compare_frames(const FlickerFrame& before, const FlickerFrame& now,
                                                     const std::vector<Stratum>& strata, const LabelGrid& grid) {
  std::array<FlickerCounts, kNumStrata> counts = {};
  const int64_t rows = grid.rows(), columns = grid.columns();
  check(before.predicted.size() == now.predicted.size() && now.predicted.size() == static_cast<size_t>(rows * columns),
        "flicker: frames of {} and {} cells, expected {}", before.predicted.size(), now.predicted.size(),
        rows * columns);
  const GroundWarp warp = ground_warp(now.ego_pose, before.ego_pose);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      const auto cell = static_cast<size_t>(r * columns + c);
      if (now.labels[cell] == kIgnoredPlace) continue;
      const Vec2 was = warp.apply({grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                                   grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell});
      const double row = std::floor((was.y - grid.y_min) / grid.cell),
                   column = std::floor((was.x - grid.x_min) / grid.cell);
      if (!(row >= 0 && row < static_cast<double>(rows) && column >= 0 && column < static_cast<double>(columns)))
        continue;
      const auto old = static_cast<size_t>(row) * static_cast<size_t>(columns) + static_cast<size_t>(column);
      if (before.labels[old] == kIgnoredPlace) continue;
      const auto both = [](auto a, auto b) { return a != 0 && b != 0; };
      const auto either = [](auto a, auto b) { return a != 0 || b != 0; };
      FlickerCounts one;
      one.both = both(before.predicted[old], now.predicted[cell]);
      one.either = either(before.predicted[old], now.predicted[cell]);
      one.label_both = both(before.labels[old], now.labels[cell]);
      one.label_either = either(before.labels[old], now.labels[cell]);
      if (before.labels[old] == now.labels[cell]) {
        const bool changed = before.predicted[old] != now.predicted[cell], marked = now.labels[cell] != 0;
        one.compared = 1, one.changed = changed;
        one.marked_compared = marked, one.marked_changed = marked && changed;
      }
      counts[kAllCells] += one;
      if (!strata.empty()) counts[strata[cell]] += one;
    }
  return counts;
}

void FlickerAccumulator::add(const std::string& sequence, FlickerFrame frame, const std::vector<Stratum>& strata) {
  const auto last =
      std::find_if(last_.begin(), last_.end(), [&](const auto& entry) { return entry.first == sequence; });
  if (last != last_.end()) {
    const double gap = frame.timestamp - last->second.timestamp;
    if (gap > 0 && gap <= max_gap_) merge(compare_frames(last->second, frame, strata, grid_));
    last_.erase(last);
  }
  last_.emplace_front(sequence, std::move(frame));
  if (last_.size() > kRemembered) last_.pop_back();
}

void FlickerAccumulator::merge(const std::array<FlickerCounts, kNumStrata>& counts) {
  for (size_t s = 0; s < kNumStrata; ++s) counts_[s] += counts[s];
}

}  // namespace bevgrad
