#include "tasks/attributes/attributes.h"

#include "evaluation/lane_vectors.h"
#include "export/layers.h"
#include "tasks/attributes/attribute_accuracy.h"
#include "tasks/attributes/attribute_head.h"
#include "tasks/attributes/decode.h"
#include "tasks/attributes/targets.h"
#include "tasks/attributes/view.h"
#include "tasks/dynamic_boxes/options.h"
#include "tasks/label_range.h"

namespace bevgrad {
namespace {

class Attributes final : public Task {
 public:
  explicit Attributes(const config::Config& proto)
      : head_(attribute_head_options(proto)),
        boxes_(box_attributes(proto)),
        lanes_(lane_attributes(proto)),
        range_(label_range(proto.grid())),
        coding_(box_decode_options(proto)),
        weight_(proto.tasks().attributes().weight()),
        line_threshold_(static_cast<float>(proto.drawing().querylane_threshold())),
        line_points_(proto.drawing().querylane_points_num()) {}

  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<AttributeHead>(channels, head_, generator);
  }
  void add_to_check(CheckOptions& check) const override { check.attribute_task = true; }
  double weight() const override { return weight_; }
  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    return attribute_losses(output, batch, boxes_, lanes_, range_);
  }

  NamedTensors decode(const NetworkOutput& output) const override {
    const std::map<std::string, Tensor> maps = dynamic_maps(output);
    if (maps.empty() || boxes_.kinds.empty()) return {};
    return box_attribute_tables(output.at(kBoxAttributeLogits), decode_boxes(maps, coding_), boxes_, range_);
  }
  OnnxMaps export_head(OnnxLayers& layers, const OnnxMap& feature) const override {
    const std::string head = "bev_attribute_head.";
    const OnnxMap hidden = layers.conv(feature, head + "hidden.conv", {.padding = 1, .norm = head + "hidden.bn"});
    OnnxMaps maps;
    const auto add = [&](const char* name, const std::string& layer, const AttributeSet& set) {
      if (!set.kinds.empty())
        maps.emplace_back(name, layers.conv(hidden, head + layer, {.relu = false, .logits = true}));
    };
    add(kBoxAttributeLogits, "box", boxes_);
    add(kLaneAttributeLogits, "lane", lanes_);
    return maps;
  }

  /// Of the boxes that the tasks before this one have found.
  void add_predictions(EvaluationFrame& frame, const NetworkOutput& output, int64_t n) const override {
    if (!lanes_.kinds.empty())
      frame.lane_attributes = attribute_probabilities(output.at(kLaneAttributeLogits), n, lanes_.kinds);
    if (boxes_.kinds.empty() || frame.boxes.empty()) return;
    const ProbabilityRaster probabilities = attribute_probabilities(output.at(kBoxAttributeLogits), n, boxes_.kinds);
    for (ScoredBox& scored : frame.boxes) {
      const auto id = static_cast<size_t>(scored.box.class_id);
      if (id >= boxes_.classes.size()) continue;
      scored.box.attributes = values_of(attributes_along(probabilities, range_, boxes_.kinds, boxes_.classes[id],
                                                         std::vector<Vec2>{{scored.box.x, scored.box.y}}));
    }
  }
  void add_to_frame(EvaluationFrame& frame, const NetworkOutput& output, const Batch&, int64_t n) const override {
    add_predictions(frame, output, n);
  }

  std::unique_ptr<TaskMetric> make_metric() const override {
    return std::make_unique<AttributeAccuracy>(boxes_, lanes_, range_, line_threshold_, line_points_);
  }
  std::vector<Table> overview(const Table& table) const override {
    if (table.name == "attributes") return {table};
    return {};
  }
  void add_to_picture(SamplePicture& picture, const NetworkOutput&, const Batch& batch, int64_t n) const override {
    const auto sample = static_cast<size_t>(n);
    std::vector<DescribedLine> labelled;
    for (const LabelShape& shape : batch.lane_shapes[sample])
      labelled.push_back({shape.points, shape.class_id, attribute_text(shape.attributes, lanes_.kinds)});
    if (!labelled.empty() || batch.has_boxes[sample])
      picture.panels.push_back(
          attribute_panel("Attributes, labelled", batch.boxes[sample], std::move(labelled), boxes_.kinds));
    std::vector<Box3d> boxes;
    for (const ScoredBox& scored : picture.frame.boxes)
      if (scored.score >= DrawingOptions().box_score_threshold) boxes.push_back(scored.box);
    std::vector<DescribedLine> lines;
    if (!picture.frame.lane.empty() && !lanes_.kinds.empty())
      for (LaneVector& line :
           lane_vectors(picture.frame.lane, range_, {.threshold = line_threshold_, .points = line_points_})) {
        const std::string& name = lanes_.classes[static_cast<size_t>(line.class_id)];
        const auto said = attributes_along(picture.frame.lane_attributes, range_, lanes_.kinds, name, line.points);
        lines.push_back(
            {std::move(line.points), static_cast<int>(line.class_id), attribute_text(values_of(said), lanes_.kinds)});
      }
    picture.panels.push_back(
        attribute_panel("Attributes, predicted", std::move(boxes), std::move(lines), boxes_.kinds));
  }

 private:
  AttributeHeadOptions head_;
  AttributeSet boxes_, lanes_;
  LabelGrid range_;
  BoxDecodeOptions coding_;
  double weight_;
  float line_threshold_;
  int line_points_;
};

}  // namespace

TaskKind attributes_task() {
  return {.name = "attributes",
          .module = "bev_attribute_head",
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            if (!document.proto.tasks().attribute_task()) return nullptr;
            return std::make_unique<Attributes>(document.proto);
          },
          .judge = judge_attributes};
}

}  // namespace bevgrad
