// The whole evaluation of a run: takes frames as they come, keeps counts only, and gives every metric as tables.
#pragma once
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"
#include "evaluation/headline.h"
#include "evaluation/options.h"
#include "evaluation/raster.h"
#include "evaluation/table.h"
#include "geometry/pose.h"

namespace bevgrad {

struct ScoredInstance {
  Instance box;
  double score = 0;
};

struct ScoredBox {
  Box3d box;
  double score = 0;
  int64_t row = 0;  ///< where it stood in the table that it was read from
};

/// The class of a row whose class is no whole number: none of any list.
inline constexpr int kNoClass = std::numeric_limits<int>::max();

/// Whether a place, size or angle is not finite, a size is negative, or the class is not below `classes`.
bool is_broken(const Instance& instance, size_t classes);
bool is_broken(const Box3d& box, size_t classes);

/// One frame's predictions and labels. What a run does not have stays empty and is not evaluated.
struct EvaluationFrame {
  std::string val_set;
  std::string key;
  int64_t sequence = 0;
  std::string sequence_name = {};  ///< as tables and files call it; empty: the number
  double timestamp = 0;            ///< seconds
  Pose ego_pose;                   ///< ego -> world

  ProbabilityRaster lane, road;        ///< probabilities [classes,H,W] on the label grid
  LabelRaster lane_label, road_label;  ///< 0, 1 or 255 (ignored), the same shapes
  LabelRaster visibility;              ///< [3,H,W], see VisibilityLayer; empty: not known
  /// NaN and infinite values of the maps that no raster of the frame shows, by the maps' names.
  std::map<std::string, int64_t> non_finite;
  std::vector<ScoredInstance> instances;
  std::optional<std::vector<Instance>> instance_labels;  ///< nothing: not labelled
  std::vector<ScoredBox> boxes;
  std::optional<std::vector<Box3d>> box_labels;  ///< nothing: not labelled
  /// Of lane marks' attributes, where they are predicted: attributes_along's, of the labels' lane_attributes.
  ProbabilityRaster lane_attributes;

  std::string series() const { return sequence_name.empty() ? std::to_string(sequence) : sequence_name; }
};

/// Rows of predict's "instances" [N,max,6] and "instance_scores" [N,max]; unused rows (class below 0) are left out.
std::vector<ScoredInstance> scored_instances(const Tensor& instances, const Tensor& scores, int64_t sample);
/// Rows of decode_boxes' [N,max,11].
std::vector<ScoredBox> scored_boxes(const Tensor& boxes, int64_t sample);

/// What an evaluation says in the end.
struct EvaluationSummary {
  int64_t frames = 0;
  std::vector<std::string> remarks;
  Headline headline;
  std::vector<Table> tables;
};

/// Frames of a sequence come in time order; sequences and val sets may interleave. Not thread-safe. Memory does not
/// grow with the frames but for 8 bytes a detection and threshold, 40 bytes a box that has a track, a line in "samples"
/// and the counts of a series.
class Evaluator {
 public:
  /// Throws UsageError where the options make no sense.
  explicit Evaluator(EvaluationOptions options);
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  /// Predicted instances and boxes whose score is not finite or that are broken count as not predicted, labelled ones
  /// that are broken as not there; remarks() tells. Throws Error naming the frame's key where shapes do not fit the
  /// options or a probability is not in 0..1.
  void add(const EvaluationFrame& frame);

  /// Everything counted so far, as bytes for another rank; `merge` adds them. A series must not be split between ranks
  /// where flicker or tracking is wanted.
  std::string state() const;
  void merge(const std::string& state);

  int64_t frames() const;
  /// Things that a reader of the numbers should know: clipped ranges, values that were not finite, labels that miss.
  std::vector<std::string> remarks() const;
  /// Every metric; see docs/evaluation.md for the columns.
  std::vector<Table> tables() const;
  /// The few numbers that a best checkpoint is chosen by, over all val sets (headline.h). Those that are n/a are left
  /// out.
  std::map<std::string, double> headline() const;
  /// The same with what the bootstrap over sequences says of them.
  Headline headline_with_intervals() const;

  EvaluationSummary summary() const { return {frames(), remarks(), headline_with_intervals(), tables()}; }

  const EvaluationOptions& options() const { return options_; }

 private:
  struct Counts;
  EvaluationOptions options_;
  std::unique_ptr<Counts> counts_;
};

/// Every name that Evaluator::headline() can give.
std::vector<std::string> headline_names();

/// IoU as people read it: one row a class and val set, one column a stratum. Made from the table "iou".
Table iou_overview(const Table& iou);
/// The same for two runs: per stratum the IoU in `a`, in `b` and the change.
Table iou_comparison(const Table& a, const Table& b, const std::string& name_a, const std::string& name_b);

/// Writes metrics.json (all tables and the remarks), metrics.txt and one CSV a table into `folder`, which is made where
/// it is missing. Throws Error naming the file that could not be written.
void write_evaluation(const std::string& folder, const EvaluationSummary& evaluation);

}  // namespace bevgrad
