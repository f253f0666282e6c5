#include "tasks/static_map/static_map.h"

#include "autograd/functions.h"
#include "base/error.h"
#include "internal/loss_terms.h"
#include "nn/losses.h"
#include "tasks/static_map/any_mark.h"
#include "tasks/static_map/mark_types.h"
#include "tasks/static_map/onnx.h"
#include "tasks/static_map/options.h"

namespace bevgrad {
namespace {

Tensor sample_of(const Tensor& map, int64_t n) {
  return ops::narrow(map, 0, n, 1);
}

class StaticMap final : public Task {
 public:
  explicit StaticMap(const config::Config& proto)
      : head_(static_head_options(proto)), coding_(instance_decode_options(proto)), loss_(proto.loss()) {}

  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<StaticHead>(channels, head_, generator);
  }

  bool takes(const config::ListGroup& list) const override { return list.static_task(); }
  void add_to_check(CheckOptions& check) const override { check.static_task = true; }
  double weight() const override { return loss_.static_weight(); }

  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    LossTerms terms;
    const bool is_ahead = batch.on_device != nullptr;
    const Tensor& lane = output.at(kLaneLogits);
    const Tensor lane_labels = is_ahead ? batch.on_device->lane() : batch.lane;
    add_segmentation(terms, "lane", lane, lane_labels, loss_.lane_focal(), loss_.lane_dice(),
                     loss_.lane_class_weights());
    if (loss_.lane_any_focal() > 0 || loss_.lane_any_dice() > 0)
      add_segmentation(terms, "lane_any", max(lane, 1, true), any_mark_labels(lane_labels), loss_.lane_any_focal(),
                       loss_.lane_any_dice(), {});
    if (loss_.lane_type() > 0) {
      terms.add("lane_type", loss_.lane_type(), [&] {
        const auto& weights = loss_.lane_class_weights();
        const MarkTypes types = mark_types(batch.lane, {weights.begin(), weights.end()});
        return indexed_cross_entropy(lane, types.cells, types.targets);
      });
    }
    add_segmentation(terms, "road", output.at(kRoadLogits), is_ahead ? batch.on_device->road() : batch.road,
                     loss_.road_focal(), loss_.road_dice(), loss_.road_class_weights());
    const Tensor& heatmap = output.at(kInstanceHeatmap);
    const Tensor& box = output.at(kInstanceBox);
    const auto made = [&](size_t i) { return batch.targets.at(kTargets[i]); };
    const bool is_made = batch.targets.contains(kTargets[0]);
    const CentreTargets targets = is_made ? CentreTargets{made(0), {}, {}}
                                          : targets_of(batch, heatmap.size(2), heatmap.size(3), heatmap.device());
    terms.add("instance_heatmap", loss_.instance_heatmap(),
              [&] { return gaussian_focal_loss(heatmap, targets.heatmap); });
    terms.add("instance_box", loss_.instance_box(), [&] {
      return is_made ? indexed_l1_loss(box, {made(1), made(2), made(3)})
                     : indexed_l1_loss(box, targets.cells, targets.values);
    });
    return std::move(terms).compute();
  }

  void add_targets(Batch& batch, Device device) const override {
    // The maps of instances have half the labels' resolution.
    const CentreTargets centres = targets_of(batch, batch.lane.size(2) / 2, batch.lane.size(3) / 2, device);
    const IndexedTargets boxes = indexed_targets(centres.cells, centres.values, {}, device);
    const Tensor all[] = {centres.heatmap, boxes.cells, boxes.wanted, boxes.factors};
    for (size_t i = 0; i < std::size(all); ++i) batch.targets[kTargets[i]] = all[i];
  }
  /// The marks that have a type are listed on the host.
  bool is_recordable() const override { return loss_.lane_type() == 0; }

  NamedTensors decode(const NetworkOutput& output) const override {
    const DecodedInstances decoded = decode_instances(output.at(kInstanceHeatmap), output.at(kInstanceBox), coding_);
    return {{"instances", decoded.instances}, {"instance_scores", decoded.scores}};
  }

  OnnxMaps export_head(OnnxLayers& layers, const OnnxMap& feature) const override {
    return export_static_head(layers, feature, coding_);
  }

  void add_predictions(EvaluationFrame& frame, const NetworkOutput& output, int64_t n) const override {
    frame.lane = sigmoid_raster(output.at(kLaneLogits), n);
    frame.road = sigmoid_raster(output.at(kRoadLogits), n);
    const DecodedInstances decoded =
        decode_instances(sample_of(output.at(kInstanceHeatmap), n), sample_of(output.at(kInstanceBox), n), coding_);
    frame.instances = scored_instances(decoded.instances, decoded.scores, 0);
  }

  void add_to_frame(EvaluationFrame& frame, const NetworkOutput& output, const Batch& batch, int64_t n) const override {
    const auto sample = static_cast<size_t>(n);
    add_predictions(frame, output, n);
    // The evaluation counts these values of the rasters themselves.
    frame.non_finite.erase(kLaneLogits);
    frame.non_finite.erase(kRoadLogits);
    frame.lane_label = label_raster(batch.lane, n);
    frame.road_label = label_raster(batch.road, n);
    if (batch.visibility.defined()) frame.visibility = label_raster(batch.visibility, n);
    if (batch.has_instances[sample]) frame.instance_labels = batch.instances[sample];
  }

  std::vector<Table> overview(const Table& table) const override {
    if (table.name == "iou") return {iou_overview(table)};
    return {};
  }

 private:
  /// In Batch::targets.
  static constexpr const char* kTargets[] = {"static/heatmap", "static/cells", "static/boxes", "static/box_factors"};

  CentreTargets targets_of(const Batch& batch, int64_t rows, int64_t columns, Device device) const {
    const CentreGrid grid = {
        .x_min = coding_.x_min, .y_min = coding_.y_min, .cell = coding_.cell, .rows = rows, .columns = columns};
    return instance_targets(batch, grid, static_cast<int64_t>(coding_.symmetric.size()), coding_.symmetric, device);
  }

  void add_segmentation(LossTerms& terms, const std::string& name, const Tensor& logits, const Tensor& labels,
                        double focal, double dice, const google::protobuf::RepeatedField<double>& class_weights) const {
    check(labels.defined(), "loss: the batch has no {} labels", name);
    const std::vector<double> weights(class_weights.begin(), class_weights.end());
    // In the logits' layout, once for both losses.
    const Tensor targets = ops::contiguous(ops::to(labels, logits.device()), MemoryFormat::ChannelsLast);
    terms.add(name + "_focal", focal, [=, this] {
      return sigmoid_focal_loss(logits, targets,
                                {.alpha = loss_.focal_alpha(), .gamma = loss_.focal_gamma(), .class_weights = weights});
    });
    terms.add(name + "_dice", dice, [=] { return soft_dice_loss(logits, targets, {.class_weights = weights}); });
  }

  StaticHeadOptions head_;
  InstanceDecodeOptions coding_;
  config::Loss loss_;
};

}  // namespace

TaskKind static_map_task() {
  return {.name = "static",
          .module = "bev_static_head",
          .input = kBevTemporal,
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            if (!document.proto.tasks().static_task()) return nullptr;
            return std::make_unique<StaticMap>(document.proto);
          },
          .judge = judge_static_map,
          .add_to_evaluation = add_static_map,
          .add_to_drawing = add_static_map};
}

}  // namespace bevgrad
