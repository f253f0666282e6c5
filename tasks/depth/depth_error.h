// The metric of the depth task.
#pragma once
#include <array>

#include "models/camera/lift_table.h"
#include "tasks/task_metric.h"

namespace bevgrad {

/// The table "depth": over the pixels that a LiDAR point falls into, whose distance the bins hold, the mean absolute
/// error of the expected distance, the same relative to the distance, and the share whose ratio to it is below 1.25
/// (Eigen et al., 2014), by distance. Headline figures "depth_error" (metres) and "depth_within".
class DepthError final : public TaskMetric {
 public:
  explicit DepthError(const DepthBins& bins) : bins_(bins) {}

  void add(const JudgedFrame& judged) override;
  std::string state() const override;
  void merge(const std::string& state) override;
  std::vector<Table> tables() const override;
  std::vector<std::string> headline_names() const override { return {"depth_error", "depth_within"}; }
  std::map<std::string, double> headline() const override;

 private:
  struct Sums {
    double pixels = 0, error = 0, relative = 0, within = 0;
    void add(const Sums& other);
  };
  static constexpr std::array<double, 4> kFarther = {0, 10, 20, 40};  // metres at which a row begins

  Sums total() const;

  DepthBins bins_;
  std::array<Sums, kFarther.size()> sums_;
};

}  // namespace bevgrad
