#include "train/losses.h"

#include "autograd/functions.h"
#include "configs/convert.h"
#include "models/dynamic_head.h"
#include "models/static_head.h"
#include "nn/losses.h"
#include "train/targets/centre_targets.h"

namespace bevgrad {
namespace {

/// Velocities are hard to see in one frame: a fifth of the weight, as mmdetection3d's CenterPoint.
constexpr double kVelocityWeight = 0.2;

/// The losses' scalars, read at once: on a GPU every reading waits for all that came before it.
class Scalars {
 public:
  void add(const std::string& name, const Tensor& term) {
    names_.push_back(name);
    values_.push_back(detach(term));
  }
  void read(Losses& losses) {
    values_.push_back(detach(losses.total));
    const std::vector<double> values = ops::stack(values_, 0).to_vector();
    for (size_t i = 0; i < names_.size(); ++i) losses.terms.emplace_back(names_[i], values[i]);
    losses.value = values.back();
  }

 private:
  std::vector<std::string> names_;
  std::vector<Tensor> values_;
};

/// Adds weighted terms up.
class Sum {
 public:
  Sum(Losses& losses, Scalars& scalars) : losses_(losses), scalars_(scalars) {}

  void add(const std::string& name, double weight, const Tensor& term) {
    scalars_.add(name, term);
    if (weight == 0) return;
    const Tensor weighted = mul(term, weight);
    total_ = total_.defined() ? bevgrad::add(total_, weighted) : weighted;
  }
  void close(double task_weight) {
    if (!total_.defined()) return;
    const Tensor weighted = mul(total_, task_weight);
    losses_.total = losses_.total.defined() ? bevgrad::add(losses_.total, weighted) : weighted;
  }

 private:
  Losses& losses_;
  Scalars& scalars_;
  Tensor total_;
};

CentreGrid grid_of(const Tensor& map, const config::Grid& grid, double cell) {
  return {
      .x_min = grid.pc_range(0), .y_min = grid.pc_range(1), .cell = cell, .rows = map.size(2), .columns = map.size(3)};
}

std::string dynamic_name(const std::string& map) {
  return kDynamicMapPrefix + map;
}

std::vector<double> weights_of(const google::protobuf::RepeatedField<double>& weights) {
  return {weights.begin(), weights.end()};
}

void add_segmentation(Sum& sum, const std::string& name, const Tensor& logits, const Tensor& labels, double focal,
                      double dice, const google::protobuf::RepeatedField<double>& weights, const config::Loss& loss) {
  check(labels.defined(), "loss: the batch has no {} labels", name);
  // In the logits' layout, once for both losses.
  const Tensor targets = ops::contiguous(ops::to(labels, logits.device()), MemoryFormat::ChannelsLast);
  sum.add("static/" + name + "_focal", focal,
          sigmoid_focal_loss(
              logits, targets,
              {.alpha = loss.focal_alpha(), .gamma = loss.focal_gamma(), .class_weights = weights_of(weights)}));
  sum.add("static/" + name + "_dice", dice, soft_dice_loss(logits, targets, {.class_weights = weights_of(weights)}));
}

void add_static(Losses& losses, const NetworkOutput& output, const Batch& batch, const config::Config& proto,
                Scalars& scalars) {
  const config::Loss& loss = proto.loss();
  Sum sum(losses, scalars);
  const bool is_ahead = batch.on_device != nullptr;
  add_segmentation(sum, "lane", output.at(kLaneLogits), is_ahead ? batch.on_device->lane() : batch.lane,
                   loss.lane_focal(), loss.lane_dice(), loss.lane_class_weights(), loss);
  add_segmentation(sum, "road", output.at(kRoadLogits), is_ahead ? batch.on_device->road() : batch.road,
                   loss.road_focal(), loss.road_dice(), loss.road_class_weights(), loss);
  const InstanceDecodeOptions decode = configs::instance_decode_options(proto);
  const Tensor& heatmap = output.at(kInstanceHeatmap);
  const CentreTargets targets =
      instance_targets(batch, grid_of(heatmap, proto.grid(), decode.cell), heatmap.size(1), decode.symmetric);
  sum.add("static/instance_heatmap", loss.instance_heatmap(), gaussian_focal_loss(heatmap, targets.heatmap));
  sum.add("static/instance_box", loss.instance_box(),
          indexed_l1_loss(output.at(kInstanceBox), targets.cells, targets.values));
  sum.close(loss.static_weight());
}

void add_dynamic(Losses& losses, const NetworkOutput& output, const Batch& batch, const config::Config& proto,
                 Scalars& scalars) {
  const config::Loss& loss = proto.loss();
  Sum sum(losses, scalars);
  const Tensor& heatmap = output.at(dynamic_name("heatmap"));
  const CentreTargets targets = box_targets(batch, grid_of(heatmap, proto.grid(), proto.grid().bev_cell()),
                                            heatmap.size(1), configs::label_schema(proto).grid);
  sum.add("dynamic/heatmap", loss.dynamic_heatmap(), gaussian_focal_loss(heatmap, targets.heatmap));
  for (const DynamicMap& map : kDynamicMaps) {
    const Tensor& predicted = output.at(dynamic_name(map.name));
    const Tensor wanted = ops::contiguous(ops::narrow(targets.values, 1, map.first, map.channels));
    const double weight = std::string_view(map.name) == "vel" ? kVelocityWeight : 1.0;
    sum.add(std::string("dynamic/") + map.name, loss.dynamic_box() * weight,
            indexed_l1_loss(predicted, targets.cells, wanted));
  }
  sum.close(loss.dynamic_weight());
}

}  // namespace

Losses compute_losses(const NetworkOutput& output, const Batch& batch, const config::Config& proto, BatchTasks tasks) {
  Losses losses;
  Scalars scalars;
  if (tasks.static_task && output.has(kLaneLogits)) add_static(losses, output, batch, proto, scalars);
  if (tasks.dynamic_task && output.has(dynamic_name("heatmap"))) add_dynamic(losses, output, batch, proto, scalars);
  check(losses.total.defined(), "loss: nothing to learn, every weight is 0 or no head is built");
  scalars.read(losses);
  return losses;
}

}  // namespace bevgrad
