// Average precision over a ranked list, as detection benchmarks define it.
#pragma once
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "evaluation/ratio.h"
#include "evaluation/strata.h"

namespace bevgrad {

/// One prediction after matching: all that is kept of it, eight bytes. Networks give scores as float32.
struct RankedDetection {
  float score = 0;
  bool right = false;
  Stratum stratum = kAllCells;  ///< of the truth that it matched, else of the prediction itself
  bool stays = true;            ///< of a lane: it was the first to find that truth (lane_tracks.h)
};

struct PrecisionRecall {
  double precision = 0, recall = 0, score = 0;
};

/// After each detection, best first (equal scores keep their order). Empty where `truths` is 0.
std::vector<PrecisionRecall> precision_recall_curve(std::span<const RankedDetection> detections, int64_t truths);

/// Area under a curve with its monotone envelope (every point takes the best precision at its recall or higher), as
/// PASCAL VOC 2010 and MapTR.
double area_under(std::vector<PrecisionRecall> curve);
/// The same of ranked detections. n/a where there is no truth.
Ratio average_precision(std::span<const RankedDetection> detections, int64_t truths);

/// The same where only what is right and stays is right.
Ratio consistent_average_precision(std::span<const RankedDetection> detections, int64_t truths);

/// nuScenes' definition (Caesar et al. 2020, its devkit's calc_ap): precision interpolated at 101 recalls, those up to
/// 0.1 left out, 0.1 subtracted, cut at 0, scaled to 1.
double nuscenes_area_under(const std::vector<PrecisionRecall>& curve);
/// The same of ranked detections. n/a where there is no truth (the devkit says 0).
Ratio nuscenes_average_precision(std::span<const RankedDetection> detections, int64_t truths);

/// Detections and truths of one class at one threshold, over frames and ranks.
struct ApCounts {
  std::vector<RankedDetection> detections;
  std::array<int64_t, kNumStrata> truths = {};

  void add_truth(Stratum stratum);
  void merge(const ApCounts& other);
  /// The detections of one stratum; all of them for kAllCells.
  std::vector<RankedDetection> of(Stratum stratum) const;
};

/// Ranks by score and matches greedily: `distance(prediction, truth)` below or equal to `limit` is a match, each truth
/// once. `nearest_only`: a prediction may only take its nearest truth (free or not), as MapTR; else the nearest free
/// one, as nuScenes and COCO. Returns per prediction the truth that it took, or -1.
template <class Distance>
std::vector<int64_t> match_by_score(std::span<const double> scores, size_t truths, double limit, bool nearest_only,
                                    Distance distance);

/// Indices by descending score; equal scores keep their order, NaN comes last.
std::vector<size_t> by_descending_score(std::span<const double> scores);

template <class Distance>
std::vector<int64_t> match_by_score(std::span<const double> scores, size_t truths, double limit, bool nearest_only,
                                    Distance distance) {
  std::vector<int64_t> taken(scores.size(), -1);
  std::vector<bool> used(truths, false);
  for (const size_t p : by_descending_score(scores)) {
    int64_t best = -1;
    double best_distance = 0;
    for (size_t t = 0; t < truths; ++t) {
      if (used[t] && !nearest_only) continue;
      const double d = distance(p, t);
      if (best < 0 || d < best_distance) {
        best = static_cast<int64_t>(t);
        best_distance = d;
      }
    }
    if (best < 0 || used[static_cast<size_t>(best)] || !(best_distance <= limit)) continue;
    used[static_cast<size_t>(best)] = true;
    taken[p] = best;
  }
  return taken;
}

}  // namespace bevgrad
