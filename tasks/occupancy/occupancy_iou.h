// The metric of the occupancy task.
#pragma once
#include <cstdint>
#include <vector>

#include "tasks/occupancy/options.h"
#include "tasks/occupancy/ray_iou.h"
#include "tasks/task_metric.h"

namespace bevgrad {

/// The table "occupancy": intersection over union of the likeliest classes over the voxels that count, per class, of
/// "occupied" (whatever is not free), of their "mean" over the classes that are labelled or predicted somewhere, as
/// Occ3D (Tian et al., NeurIPS 2023), and of the columns that can be driven on ("freespace", at a threshold).
/// The columns "ray_1m", "ray_2m" and "ray_4m" are RayIou's, over all voxels. Headline figures "occupancy_iou",
/// "occupancy_miou", "occupancy_ray_iou" (the mean of its three distances) and "occupancy_freespace_iou".
class OccupancyIou final : public TaskMetric {
 public:
  OccupancyIou(OccupancySpace space, float freespace_threshold);

  void add(const JudgedFrame& judged) override;
  std::string state() const override;
  void merge(const std::string& state) override;
  std::vector<Table> tables() const override;
  std::vector<std::string> headline_names() const override {
    return {"occupancy_iou", "occupancy_miou", "occupancy_ray_iou", "occupancy_freespace_iou"};
  }
  std::map<std::string, double> headline() const override;

 private:
  struct Overlap {
    int64_t both = 0, labelled = 0, predicted = 0;
    Ratio iou() const;
  };
  Overlap of_class(int64_t class_id) const;
  Overlap occupied() const;
  Ratio mean() const;

  OccupancySpace space_;
  float freespace_threshold_;
  std::vector<int64_t> pairs_;  // [labelled][predicted], free the last
  Overlap freespace_;
  RayIou rays_;
};

}  // namespace bevgrad
