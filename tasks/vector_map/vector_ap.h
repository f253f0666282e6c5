// The metric of the vector task: Chamfer AP of what the queries find, beside that of lanes traced from the raster.
#pragma once
#include "evaluation/average_precision.h"
#include "evaluation/lane_tracks.h"
#include "tasks/task_metric.h"
#include "tasks/vector_map/options.h"

namespace bevgrad {

struct VectorApOptions {
  VectorClasses classes;
  LabelGrid grid;
  int points = 10;                ///< of the vectors that are judged
  float traced_threshold = 0.3f;  ///< at which lanes are traced from the raster's probabilities
};

/// The table "vector_ap": per class and Chamfer distance (0.5, 1.0 and 1.5 m, as MapTR), against the labelled shapes,
/// the AP of the queries' vectors (judged_vectors) and, where a frame has a raster of lane probabilities, of those
/// traced from it; beside each its consistency-aware AP (LaneFinders). Vectors of which most lies in cells that do not
/// count are left out. Headline figures: "vector_map" and "vector_c_map" (mean over classes that occur and distances),
/// "vector_ap_1m" and "traced_ap_1m" (over the lane classes that occur, at 1.0 m).
class VectorAp final : public TaskMetric {
 public:
  explicit VectorAp(VectorApOptions options);

  void add(const JudgedFrame& judged) override;
  std::string state() const override;
  void merge(const std::string& state) override;
  std::vector<Table> tables() const override;
  std::vector<std::string> headline_names() const override {
    return {"vector_map", "vector_c_map", "vector_ap_1m", "traced_ap_1m"};
  }
  std::map<std::string, double> headline() const override;

 private:
  using Counts = std::vector<std::vector<ApCounts>>;  // [class][distance]

  VectorApOptions options_;
  Counts found_, traced_;
  LaneFinders found_by_, traced_by_;
  bool has_traced_ = false;
};

}  // namespace bevgrad
