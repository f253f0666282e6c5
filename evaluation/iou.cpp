#include "evaluation/iou.h"

#include <algorithm>
#include <cmath>

namespace bevgrad {

Ratio IouCounts::iou() const {
  if (truth == 0) return std::nullopt;
  return ratio(static_cast<double>(intersection), static_cast<double>(predicted + truth - intersection));
}

IouAccumulator::IouAccumulator(std::vector<std::string> class_names, float headline)
    : class_names_(std::move(class_names)), headline_(headline) {
  check(headline > 0 && headline <= 1, "iou: threshold {}, expected above 0 and at most 1", headline);
  for (int i = 1; i < 20; ++i) thresholds_.push_back(static_cast<float>(i / 20.0));
  const auto place = std::lower_bound(thresholds_.begin(), thresholds_.end(), headline);
  if (place == thresholds_.end() || *place != headline) thresholds_.insert(place, headline);
  histogram_.assign(class_names_.size() * kNumStrata * 2 * bins(), 0);
}

void IouAccumulator::add(const ProbabilityRaster& probabilities, const LabelRaster& labels,
                         const std::vector<Stratum>& strata) {
  const auto classes = static_cast<int64_t>(class_names_.size());
  check(probabilities.channels == classes && labels.channels == classes && probabilities.rows == labels.rows &&
            probabilities.columns == labels.columns,
        "iou: predictions [{},{},{}] and labels [{},{},{}], expected {} classes on one grid", probabilities.channels,
        probabilities.rows, probabilities.columns, labels.channels, labels.rows, labels.columns, classes);
  check(strata.empty() || strata.size() == static_cast<size_t>(labels.cells()),
        "iou: {} visibility cells for a raster of {}", strata.size(), labels.cells());
  for (int64_t c = 0; c < classes; ++c) {
    const auto probability = probabilities.plane(c);
    const auto label = labels.plane(c);
    for (size_t i = 0; i < label.size(); ++i) {
      if (label[i] == 255) continue;
      check(label[i] <= 1, "iou: label {} of class {}, expected 0, 1 or 255", label[i], class_names_[c]);
      const float p = probability[i];
      const size_t bin =
          std::isnan(p) ? 0 : std::upper_bound(thresholds_.begin(), thresholds_.end(), p) - thresholds_.begin();
      ++histogram_[index(c, kAllCells, label[i], bin)];
      if (!strata.empty()) ++histogram_[index(c, strata[i], label[i], bin)];
    }
  }
}

void IouAccumulator::merge(const IouAccumulator& other) {
  check(other.class_names_ == class_names_, "iou: cannot add counts of {} classes to counts of {} others",
        other.class_names_.size(), class_names_.size());
  for (size_t i = 0; i < histogram_.size(); ++i) histogram_[i] += other.histogram_[i];
}

IouCounts IouAccumulator::counts(size_t class_id, Stratum stratum, float threshold) const {
  const auto found = std::find(thresholds_.begin(), thresholds_.end(), threshold);
  check(found != thresholds_.end() && class_id < class_names_.size(), "iou: no counts of class {} at threshold {}",
        class_id, threshold);
  const size_t first = static_cast<size_t>(found - thresholds_.begin()) + 1;
  IouCounts counts;
  for (size_t bin = 0; bin < bins(); ++bin) {
    const int64_t true_cells = histogram_[index(class_id, stratum, 1, bin)];
    counts.truth += true_cells;
    if (bin < first) continue;
    counts.intersection += true_cells;
    counts.predicted += true_cells + histogram_[index(class_id, stratum, 0, bin)];
  }
  return counts;
}

BestIou IouAccumulator::best(size_t class_id, Stratum stratum) const {
  BestIou best;
  for (const float threshold : thresholds_) {
    const Ratio iou = counts(class_id, stratum, threshold).iou();
    if (iou && (!best.iou || *iou > *best.iou)) best = {std::round(threshold * 100) / 100.0, iou};
  }
  return best;
}

Ratio IouAccumulator::mean_iou(Stratum stratum) const {
  std::vector<Ratio> values;
  for (size_t c = 0; c < class_names_.size(); ++c) values.push_back(counts(c, stratum).iou());
  return mean_of(values);
}

void IouAccumulator::set_state(std::vector<int64_t> state) {
  check(state.size() == histogram_.size(), "iou: a state of {} counts, expected {}", state.size(), histogram_.size());
  histogram_ = std::move(state);
}

}  // namespace bevgrad
