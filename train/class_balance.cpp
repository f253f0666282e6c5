#include "train/class_balance.h"

#include "data/class_frequencies.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

/// Frames whose labels say how often classes occur.
constexpr int64_t kCountedFrames = 400;

void fill(google::protobuf::RepeatedField<double>* field, const std::vector<int64_t>& counts, double power) {
  if (!field->empty()) return;
  for (const double weight : weights_from_counts(counts, power)) field->Add(weight);
}

void add(std::vector<int64_t>& sum, const std::vector<int64_t>& counts) {
  sum.resize(counts.size(), 0);
  for (size_t i = 0; i < counts.size(); ++i) sum[i] += counts[i];
}

}  // namespace

configs::Document with_class_weights(const configs::Document& document) {
  const double power = document.proto.loss().class_weight_power();
  if (power == 0 || !document.proto.tasks().static_task()) return document;
  const std::vector<ListGroup> lists =
      configs::train_lists(document.proto, [](const config::ListGroup& list) { return list.static_task(); });
  if (lists.empty()) return document;  // whoever opens the data says so
  const Dataset dataset(configs::lmdb_list(document.proto), lists, configs::dataset_options(document.proto, true));
  std::vector<int64_t> lane, road;
  for (const ClassContents& frame : class_contents(dataset, spread_entries(dataset, kCountedFrames))) {
    add(lane, frame.lane_cells);
    add(road, frame.road_cells);
  }
  configs::Document weighted = document;
  fill(weighted.proto.mutable_loss()->mutable_lane_class_weights(), lane, power);
  fill(weighted.proto.mutable_loss()->mutable_road_class_weights(), road, power);
  return weighted;
}

std::vector<double> balanced_repeats(const Dataset& dataset, const config::Config& proto) {
  const double share = proto.data().balance_classes();
  if (share == 0) return {};
  return repeat_factors(class_contents(dataset, spread_entries(dataset, 0)), share);
}

}  // namespace bevgrad
