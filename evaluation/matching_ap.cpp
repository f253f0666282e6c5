#include "evaluation/matching_ap.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include "evaluation/true_boxes.h"
#include "geometry/polyline.h"
#include "geometry/rotated_box.h"

namespace bevgrad {
namespace {

constexpr int kChamferSamples = 100;

struct Extent {
  Vec2 low, high;
};

Extent extent_of(const std::vector<Vec2>& points) {
  constexpr double inf = std::numeric_limits<double>::infinity();
  Extent e{{inf, inf}, {-inf, -inf}};
  for (const Vec2 p : points) {
    e.low = {std::min(e.low.x, p.x), std::min(e.low.y, p.y)};
    e.high = {std::max(e.high.x, p.x), std::max(e.high.y, p.y)};
  }
  return e;
}

/// No point of one is nearer to the other than this, so neither is their Chamfer distance.
double gap(const Extent& a, const Extent& b) {
  const double dx = std::max({0.0, a.low.x - b.high.x, b.low.x - a.high.x});
  const double dy = std::max({0.0, a.low.y - b.high.y, b.low.y - a.high.y});
  return std::hypot(dx, dy);
}

/// Items of one class, by index.
template <class Items, class ClassOf>
std::vector<size_t> of_class(const Items& items, int64_t class_id, ClassOf class_of) {
  std::vector<size_t> chosen;
  for (size_t i = 0; i < items.size(); ++i)
    if (class_of(items[i]) == class_id) chosen.push_back(i);
  return chosen;
}

/// Adds one class's matches to its counts.
template <class PredictedStratum>
void record(const std::vector<double>& scores, const std::vector<int64_t>& taken, const std::vector<Stratum>& truths,
            PredictedStratum predicted_stratum, ApCounts& counts) {
  for (const Stratum stratum : truths) counts.add_truth(stratum);
  for (size_t p = 0; p < scores.size(); ++p)
    counts.detections.push_back({static_cast<float>(scores[p]), taken[p] >= 0,
                                 taken[p] >= 0 ? truths[static_cast<size_t>(taken[p])] : predicted_stratum(p)});
}

}  // namespace

StratumAt stratum_lookup(const std::vector<Stratum>& strata, const LabelGrid& grid) {
  return [&strata, grid](Vec2 p) {
    const double column = std::floor((p.x - grid.x_min) / grid.cell), row = std::floor((p.y - grid.y_min) / grid.cell);
    if (strata.empty() || !(row >= 0 && row < static_cast<double>(grid.rows())) ||
        !(column >= 0 && column < static_cast<double>(grid.columns())))
      return kAllCells;
    return strata[static_cast<size_t>(row) * static_cast<size_t>(grid.columns()) + static_cast<size_t>(column)];
  };
}

Stratum majority_stratum(const std::vector<Vec2>& points, const StratumAt& at) {
  std::array<int, kNumStrata> votes = {};
  for (const Vec2 p : points) ++votes[at(p)];
  // Points off the grid have no say where others do.
  const auto best = std::max_element(votes.begin() + 1, votes.end());
  return *best > 0 ? static_cast<Stratum>(best - votes.begin()) : kAllCells;
}

void count_lanes(const std::vector<LaneVector>& predicted, const std::vector<LaneVector>& truth,
                 const std::vector<double>& thresholds, const StratumAt& at, std::vector<std::vector<ApCounts>>& counts,
                 LaneFinders* finders) {
  const double farthest = *std::max_element(thresholds.begin(), thresholds.end());
  for (size_t c = 0; c < counts.size(); ++c) {
    const auto class_of = [](const LaneVector& lane) { return lane.class_id; };
    const auto p = of_class(predicted, static_cast<int64_t>(c), class_of);
    const auto t = of_class(truth, static_cast<int64_t>(c), class_of);
    std::vector<double> scores;
    for (const size_t i : p) scores.push_back(predicted[i].score);
    std::vector<Stratum> truths;
    for (const size_t j : t) truths.push_back(majority_stratum(truth[j].points, at));
    // Pairs that are further apart than any threshold only need to stay so.
    std::vector<double> distances(p.size() * t.size());
    for (size_t i = 0; i < p.size(); ++i)
      for (size_t j = 0; j < t.size(); ++j) {
        const auto &a = predicted[p[i]].points, &b = truth[t[j]].points;
        const double apart = gap(extent_of(a), extent_of(b));
        distances[i * t.size() + j] = apart > farthest ? apart : chamfer_distance(a, b, kChamferSamples);
      }
    for (size_t k = 0; k < thresholds.size(); ++k) {
      const auto taken = match_by_score(scores, t.size(), thresholds[k], true,
                                        [&](size_t i, size_t j) { return distances[i * t.size() + j]; });
      auto& detections = counts[c][k].detections;
      const size_t first = detections.size();
      record(
          scores, taken, truths, [&](size_t i) { return majority_stratum(predicted[p[i]].points, at); }, counts[c][k]);
      for (size_t i = 0; finders && i < p.size(); ++i)
        if (taken[i] >= 0) detections[first + i].stays = finders->stays(k, p[i], t[static_cast<size_t>(taken[i])]);
    }
  }
}

void count_instances(const std::vector<ScoredInstance>& predicted, const std::vector<Instance>& truth, double iou,
                     const StratumAt& at, std::vector<ApCounts>& counts) {
  const auto box = [](const Instance& i) { return RotatedBox{i.x, i.y, i.w, i.h, i.angle}; };
  for (size_t c = 0; c < counts.size(); ++c) {
    const auto id = static_cast<int64_t>(c);
    const auto p = of_class(predicted, id, [](const ScoredInstance& i) { return i.box.class_id; });
    const auto t = of_class(truth, id, [](const Instance& i) { return i.class_id; });
    std::vector<double> scores;
    for (const size_t i : p) scores.push_back(predicted[i].score);
    std::vector<Stratum> truths;
    for (const size_t j : t) truths.push_back(at({truth[j].x, truth[j].y}));
    const auto taken = match_by_score(scores, t.size(), 1 - iou + 1e-12, false, [&](size_t i, size_t j) {
      return 1 - rotated_iou(box(predicted[p[i]].box), box(truth[t[j]]));
    });
    record(
        scores, taken, truths,
        [&](size_t i) {
          return at({predicted[p[i]].box.x, predicted[p[i]].box.y});
        },
        counts[c]);
  }
}

void count_boxes(const std::vector<ScoredBox>& all_predicted, const std::vector<Box3d>& labelled,
                 const LabelGrid& range, const std::vector<double>& thresholds, const StratumAt& at,
                 std::vector<std::vector<ApCounts>>& counts) {
  std::vector<ScoredBox> predicted;
  std::copy_if(all_predicted.begin(), all_predicted.end(), std::back_inserter(predicted),
               [&](const ScoredBox& b) { return is_in_range(b.box, range); });
  std::vector<Box3d> truth;
  std::copy_if(labelled.begin(), labelled.end(), std::back_inserter(truth),
               [&](const Box3d& b) { return is_true_box(b, range); });
  for (size_t c = 0; c < counts.size(); ++c) {
    const auto id = static_cast<int64_t>(c);
    const auto p = of_class(predicted, id, [](const ScoredBox& b) { return b.box.class_id; });
    const auto t = of_class(truth, id, [](const Box3d& b) { return b.class_id; });
    std::vector<double> scores;
    for (const size_t i : p) scores.push_back(predicted[i].score);
    std::vector<Stratum> truths;
    for (const size_t j : t) truths.push_back(at({truth[j].x, truth[j].y}));
    for (size_t k = 0; k < thresholds.size(); ++k) {
      const auto taken =
          match_by_score(scores, t.size(), std::nextafter(thresholds[k], 0.0), false, [&](size_t i, size_t j) {
            return std::hypot(predicted[p[i]].box.x - truth[t[j]].x, predicted[p[i]].box.y - truth[t[j]].y);
          });
      record(
          scores, taken, truths,
          [&](size_t i) {
            return at({predicted[p[i]].box.x, predicted[p[i]].box.y});
          },
          counts[c][k]);
    }
  }
}

}  // namespace bevgrad
