#include "tasks/dynamic_boxes/dynamic_boxes.h"

#include "autograd/functions.h"
#include "evaluation/box_overview.h"
#include "internal/loss_terms.h"
#include "nn/losses.h"
#include "tasks/dynamic_boxes/onnx.h"
#include "tasks/dynamic_boxes/options.h"
#include "tasks/label_range.h"

namespace bevgrad {
namespace {

class DynamicBoxes final : public Task {
 public:
  explicit DynamicBoxes(const config::Config& proto)
      : head_(dynamic_head_options(proto)),
        coding_(box_decode_options(proto)),
        range_(label_range(proto.grid())),
        loss_(proto.loss()) {}

  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<DynamicHead>(channels, head_, generator);
  }

  bool takes(const config::ListGroup& list) const override { return list.dynamic_task(); }
  void add_to_check(CheckOptions& check) const override { check.dynamic_task = true; }
  double weight() const override { return loss_.dynamic_weight(); }

  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    const std::map<std::string, Tensor> maps = dynamic_maps(output);
    const Tensor& heatmap = maps.at("heatmap");
    const CentreGrid grid = {.x_min = coding_.x_min,
                             .y_min = coding_.y_min,
                             .cell = coding_.cell,
                             .rows = heatmap.size(2),
                             .columns = heatmap.size(3)};
    const CentreTargets targets = box_targets(batch, grid, heatmap.size(1), range_, heatmap.device());
    LossTerms terms;
    terms.add("heatmap", loss_.dynamic_heatmap(), [&] { return gaussian_focal_loss(heatmap, targets.heatmap); });
    for (const DynamicMap& map : kDynamicMaps) {
      terms.add(map.name, loss_.dynamic_box() * map.weight, [&, map] {
        const Tensor wanted = ops::contiguous(ops::narrow(targets.values, 1, map.first, map.channels));
        return indexed_l1_loss(maps.at(map.name), targets.cells, wanted);
      });
    }
    return std::move(terms).compute();
  }

  NamedTensors decode(const NetworkOutput& output) const override {
    return {{"boxes", decode_boxes(dynamic_maps(output), coding_)}};
  }

  OnnxMaps export_head(OnnxLayers& layers, const OnnxMap& feature) const override {
    return export_dynamic_head(layers, feature, coding_);
  }

  void add_predictions(EvaluationFrame& frame, const NetworkOutput& output, int64_t n) const override {
    std::map<std::string, Tensor> maps = dynamic_maps(output);
    for (auto& [name, map] : maps) map = ops::narrow(map, 0, n, 1);
    frame.boxes = scored_boxes(decode_boxes(maps, coding_), 0);
  }

  void add_to_frame(EvaluationFrame& frame, const NetworkOutput& output, const Batch& batch, int64_t n) const override {
    add_predictions(frame, output, n);
    if (batch.has_boxes[static_cast<size_t>(n)]) frame.box_labels = batch.boxes[static_cast<size_t>(n)];
  }

  std::vector<Table> overview(const Table& table) const override {
    if (table.name == "dynamic_ap") return {box_overview(table)};
    return {};
  }

 private:
  DynamicHeadOptions head_;
  BoxDecodeOptions coding_;
  LabelGrid range_;
  config::Loss loss_;
};

}  // namespace

TaskKind dynamic_boxes_task() {
  return {.name = "dynamic",
          .module = "bev_dynamic_head",
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            if (!document.proto.tasks().dynamic_task()) return nullptr;
            return std::make_unique<DynamicBoxes>(document.proto);
          },
          .judge = judge_dynamic_boxes,
          .add_to_evaluation = add_dynamic_boxes};
}

}  // namespace bevgrad
