// What the evaluator keeps of the frames that it has seen: one SetCounts a val set.
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "evaluation/average_precision.h"
#include "evaluation/calibration.h"
#include "evaluation/evaluator.h"
#include "evaluation/flicker.h"
#include "evaluation/iou.h"
#include "evaluation/lane_tracks.h"
#include "evaluation/series.h"
#include "evaluation/tracking.h"

namespace bevgrad {

/// One frame's own figures, by which the best and worst samples are found.
struct SampleFigures {
  std::string val_set, key, sequence;
  double timestamp = 0;
  Ratio lane_iou, road_iou, hidden_iou;  ///< means over the classes that occur in the frame; hidden: of both tasks
};

/// Predicted values or rows of one kind that could not be judged.
struct Unusable {
  int64_t frames = 0, values = 0;
  std::string first;  ///< the first such frame's key

  void merge(const Unusable& other);
};

/// What is kept of a sequence, which is what the bootstrap draws.
struct SequenceCounts {
  explicit SequenceCounts(const EvaluationOptions& options);

  void merge(const SequenceCounts& other);

  IouAccumulator lane_iou, road_iou;
  IouAccumulator any_iou;                    ///< of any lane mark
  LogitHistogram lane_logits, road_logits;   ///< for calibration
  std::vector<ApCounts> instances;           ///< [class]
  std::vector<std::vector<ApCounts>> boxes;  ///< [class][distance]
};

/// Drives for tracking, by val set and name.
using TrackedDrives = std::map<std::string, TrackedDrive>;

struct SetCounts {
  explicit SetCounts(const EvaluationOptions& options);

  void merge(const SetCounts& other);
  /// All sequences together.
  SequenceCounts total(const EvaluationOptions& options) const;

  int64_t frames = 0;
  std::map<std::string, SequenceCounts> sequences;
  SeriesAccumulator lane_series, road_series;
  SeriesAccumulator any_series;  ///< of any lane mark, at every threshold that may be chosen
  FlickerAccumulator lane_flicker, road_flicker;
  std::vector<std::vector<ApCounts>> lanes;  ///< [class][threshold], thresholds as chamfer_thresholds_of
  LaneFinders lane_finders;
  TrackedDrives tracked;
  std::map<std::string, Unusable> unusable;  ///< by what was wrong
  std::map<std::string, int64_t> missing;    ///< frames without a kind of label
};

/// Every threshold that occurs in a set, once, ascending.
std::vector<double> chamfer_thresholds_of(const EvaluationOptions& options);

/// The state of a val set's counts, for other ranks. Last frames, for flicker and lane_finders, are not part of it.
nlohmann::json to_json(const SetCounts& counts);
SetCounts counts_from_json(const nlohmann::json& json, const EvaluationOptions& options);

struct Evaluator::Counts {
  std::map<std::string, SetCounts> sets;
  std::vector<SampleFigures> samples;
};

/// The tables of counts by val set, each set's and, where there are several, their sum's ("(all)").
std::vector<Table> tables_of(const std::map<std::string, SetCounts>& sets, const EvaluationOptions& options);
/// The tables that are about sequences as a sample: "any_mark", "calibration" and "reliability".
std::vector<Table> sequence_tables_of(const std::map<std::string, SetCounts>& sets, const EvaluationOptions& options);
Table sample_table(const std::vector<SampleFigures>& samples);

}  // namespace bevgrad
