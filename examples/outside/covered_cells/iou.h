// The metric of the task "covered".
#pragma once
#include <bevgrad/train.h>

namespace lab {

/// Intersection over union of the covered cells, at a probability of 0.5, over all frames: the table "covered_iou" and
/// the headline figure of that name.
class CoveredIou final : public bevgrad::TaskMetric {
 public:
  explicit CoveredIou(const bevgrad::config::Grid& grid) : grid_(grid) {}

  void add(const bevgrad::JudgedFrame& judged) override;
  std::string state() const override;
  void merge(const std::string& state) override;
  std::vector<bevgrad::Table> tables() const override;
  std::vector<std::string> headline_names() const override { return {"covered_iou"}; }
  std::map<std::string, double> headline() const override;

 private:
  bevgrad::Ratio iou() const { return bevgrad::ratio(static_cast<double>(both_), static_cast<double>(either_)); }

  bevgrad::config::Grid grid_;
  int64_t both_ = 0, either_ = 0;
};

}  // namespace lab
