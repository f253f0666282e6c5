// The metric of the attribute task.
#pragma once
#include "tasks/attributes/options.h"
#include "tasks/task_metric.h"

namespace bevgrad {

/// How often what is said of objects is right. Boxes and lane marks are judged twice: "matched", as predicted ones that
/// fit a labelled one, and "labelled", at the labelled ones' places, whether anything was predicted there. Boxes match
/// as nuScenes' true positives do: within a class, best score first, the nearest free true box closer than 2 m. A
/// labelled lane shape's match is the predicted line (traced from the lane raster) to which its points are nearest, at
/// most 0.5 m on average. What is not known of a labelled object does not count.
class AttributeAccuracy final : public TaskMetric {
 public:
  AttributeAccuracy(AttributeSet boxes, AttributeSet lanes, const LabelGrid& range, float lane_threshold,
                    int lane_points);

  void add(const JudgedFrame& judged) override;
  std::string state() const override;
  void merge(const std::string& state) override;
  std::vector<Table> tables() const override;
  std::vector<std::string> headline_names() const override;
  std::map<std::string, double> headline() const override;

 private:
  enum Judged { kMatched, kLabelled, kWays };
  /// Pairs of a labelled and a predicted value of one kind.
  struct Confusion {
    std::vector<int64_t> pairs;
    size_t values = 0;

    int64_t labelled(size_t value) const;
    int64_t predicted(size_t value) const;
    int64_t right(size_t value) const { return pairs[value * values + value]; }
    int64_t objects() const;
    Ratio accuracy() const;
    /// Mean over the values that are labelled somewhere of the share that is found.
    Ratio balanced_accuracy() const;
  };
  struct Counted {
    std::string of;  ///< "box", "lane"
    AttributeSet set;
    std::vector<Confusion> confusions[kWays] = {};  ///< one a kind
  };

  static void count(Counted& counted, Judged way, int class_id, const std::vector<int>& truth,
                    const std::vector<int>& said);
  void add_boxes(const JudgedFrame& judged);
  void add_lanes(const JudgedFrame& judged);
  Ratio mean_of(const Counted& counted, Judged way) const;

  Counted boxes_, lanes_;
  LabelGrid range_;
  float lane_threshold_;
  int lane_points_;
};

}  // namespace bevgrad
