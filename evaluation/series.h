// Series evaluation: precision and recall of lines and areas by confidence, class, range and
// visibility, within a tolerance in metres; the relaxed precision and recall of road extraction.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "evaluation/matching.h"
#include "evaluation/options.h"
#include "evaluation/raster.h"
#include "evaluation/ratio.h"
#include "evaluation/strata.h"

namespace bevgrad {

struct SeriesCounts {
  int64_t predicted = 0;  ///< predicted cells
  int64_t right = 0;      ///< of these, those with a true cell within the distance
  int64_t truth = 0;      ///< true cells
  int64_t found = 0;      ///< of these, those with a predicted cell within the distance
  double distance = 0;    ///< metres from the right cells to their nearest true cell, summed

  void operator+=(const SeriesCounts& other);
  Ratio precision() const { return ratio(static_cast<double>(right), static_cast<double>(predicted)); }
  Ratio recall() const { return ratio(static_cast<double>(found), static_cast<double>(truth)); }
  Ratio f1() const { return f1_score(precision(), recall()); }
  /// Metres, over the right cells.
  Ratio mean_distance() const { return ratio(distance, static_cast<double>(right)); }
};

/// The predicted cells of one class: probability >= conf (as float32), thinned where it is a line. Ignored cells (255)
/// leave both sides before the thinning, so that both are cut alike.
std::vector<uint8_t> series_predicted(std::span<const float> probability, std::span<const uint8_t> label, float conf,
                                      bool line, int64_t rows, int64_t columns);
/// The true cells of one class: labelled 1, thinned where it is a line.
std::vector<uint8_t> series_truth(std::span<const uint8_t> label, bool line, int64_t rows, int64_t columns);

/// The range as it lies on the grid. `empty` where nothing of it does.
struct EffectiveRange {
  EvaluationRange range;
  bool clipped = false;
  bool empty = false;
};
EffectiveRange clip_to_grid(const EvaluationRange& range, const LabelGrid& grid);

/// "Any of the classes" as one: the highest probability; a cell that one class marks is marked, and else it is ignored
/// where any class ignores it.
struct AnyClass {
  ProbabilityRaster probability;  ///< [1,H,W]
  LabelRaster label;
};
AnyClass any_class(const ProbabilityRaster& probabilities, const LabelRaster& labels);

class SeriesAccumulator {
 public:
  struct Options {
    std::vector<std::string> classes;
    std::vector<bool> line;   ///< per class: thinned before it is compared
    bool with_other = false;  ///< adds the class "Other": any of the classes against any, and the confusion of types
    std::vector<double> conf;
    double distance = 0.25;
    LabelGrid grid;
    std::vector<EvaluationRange> ranges;
  };
  explicit SeriesAccumulator(Options options);

  /// `series` names the sequence. Rasters [classes,H,W] on the grid; `strata` one a cell, or empty.
  void add(const std::string& series, const ProbabilityRaster& probabilities, const LabelRaster& labels,
           const std::vector<Stratum>& strata);
  void merge(const SeriesAccumulator& other);

  /// The classes' names, with "Other" first where it is on.
  const std::vector<std::string>& class_names() const { return names_; }
  std::vector<std::string> series() const;
  /// Sum over the series, or of one of them.
  SeriesCounts counts(size_t conf, size_t class_id, size_t range, Stratum stratum,
                      const std::string* series = {}) const;
  /// Geometrically matched predicted cells by true and predicted type: [true class][predicted class].
  int64_t confusion(size_t conf, size_t true_class, size_t predicted_class) const;

  const Options& options() const { return options_; }
  const std::vector<EffectiveRange>& ranges() const { return ranges_; }

  using SeriesState = std::map<std::string, std::vector<SeriesCounts>>;
  const SeriesState& state() const { return series_; }
  const std::vector<int64_t>& confusion_state() const { return confusion_; }
  void set_state(SeriesState series, std::vector<int64_t> confusion);

 private:
  size_t index(size_t conf, size_t class_id, size_t range, size_t stratum) const {
    return ((conf * names_.size() + class_id) * ranges_.size() + range) * kNumStrata + stratum;
  }
  size_t num_counts() const { return options_.conf.size() * names_.size() * ranges_.size() * kNumStrata; }
  void count(std::vector<SeriesCounts>& counts, size_t conf, size_t class_id, const std::vector<uint8_t>& predicted,
             const std::vector<uint8_t>& truth, const std::vector<Stratum>& strata) const;
  void add_confusion(size_t conf, const std::vector<uint8_t>& any_predicted, const std::vector<uint8_t>& any_truth,
                     const ProbabilityRaster& probabilities, const LabelRaster& labels);

  Options options_;
  std::vector<std::string> names_;
  std::vector<EffectiveRange> ranges_;
  std::vector<uint32_t> cell_ranges_;  ///< bit r: the cell lies in range r
  NearestCell nearest_;
  SeriesState series_;
  std::vector<int64_t> confusion_;
};

}  // namespace bevgrad
