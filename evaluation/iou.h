// Intersection over union per class, from global counts: cells are added up over all frames, then divided once.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "evaluation/raster.h"
#include "evaluation/ratio.h"
#include "evaluation/strata.h"

namespace bevgrad {

/// Counts of one class in one stratum at one threshold.
struct IouCounts {
  int64_t intersection = 0;
  int64_t predicted = 0;
  int64_t truth = 0;
  /// intersection / union; n/a where the class never occurs (its false cells still show in `predicted`).
  Ratio iou() const;
};

/// The threshold at which a class's IoU is highest (the lowest such threshold), and that IoU.
struct BestIou {
  double threshold = 0;
  Ratio iou;
};

/// Counts per class, stratum and threshold, over any number of frames. A cell is predicted where its probability is at
/// least the threshold (as float32; NaN never is), true where its label is 1; cells labelled 255 count on neither side.
class IouAccumulator {
 public:
  /// Counts are kept at 0.05, 0.10, ... 0.95 and at `headline`. The best threshold is picked on the evaluated set
  /// itself and therefore flatters.
  explicit IouAccumulator(std::vector<std::string> class_names = {}, float headline = 0.5f);

  /// Rasters [classes,H,W]; `strata` one a cell, or empty. Throws where shapes differ or a label is not 0, 1 or 255.
  void add(const ProbabilityRaster& probabilities, const LabelRaster& labels, const std::vector<Stratum>& strata);
  /// Adds another rank's or another set's counts; throws where the classes differ.
  void merge(const IouAccumulator& other);

  const std::vector<std::string>& class_names() const { return class_names_; }
  const std::vector<float>& thresholds() const { return thresholds_; }
  float headline() const { return headline_; }
  /// `threshold` is one of thresholds().
  IouCounts counts(size_t class_id, Stratum stratum, float threshold) const;
  IouCounts counts(size_t class_id, Stratum stratum) const { return counts(class_id, stratum, headline_); }
  BestIou best(size_t class_id, Stratum stratum) const;
  /// Mean over the classes that have one, at the headline threshold.
  Ratio mean_iou(Stratum stratum) const;

  /// The counts as a flat list, to be summed over ranks and put back: [class][stratum][label 0|1][bin].
  const std::vector<int64_t>& state() const { return histogram_; }
  void set_state(std::vector<int64_t> state);

 private:
  size_t bins() const { return thresholds_.size() + 1; }
  size_t index(size_t class_id, size_t stratum, size_t label, size_t bin) const {
    return ((class_id * kNumStrata + stratum) * 2 + label) * bins() + bin;
  }

  std::vector<std::string> class_names_;
  float headline_ = 0.5f;
  std::vector<float> thresholds_;
  std::vector<int64_t> histogram_;  ///< cells by how many thresholds their probability reaches
};

}  // namespace bevgrad
