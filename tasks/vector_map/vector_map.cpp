#include "tasks/vector_map/vector_map.h"

#include "drawing/bev_view.h"
#include "drawing/palette.h"
#include "tasks/label_range.h"
#include "tasks/vector_map/decode.h"
#include "tasks/vector_map/losses.h"
#include "tasks/vector_map/onnx.h"
#include "tasks/vector_map/targets.h"
#include "tasks/vector_map/vector_ap.h"
#include "tasks/vector_map/vector_head.h"

namespace bevgrad {
namespace {

class VectorMap final : public Task {
 public:
  explicit VectorMap(const config::Config& proto)
      : head_(vector_head_options(proto)),
        classes_(vector_classes(proto)),
        grid_(label_range(proto.grid())),
        weight_(proto.tasks().vector_map().weight()),
        weights_{proto.tasks().vector_map().focal(), proto.tasks().vector_map().point_l1(),
                 proto.tasks().vector_map().direction(), proto.tasks().vector_map().edge()},
        points_(proto.drawing().querylane_points_num()),
        traced_threshold_(static_cast<float>(proto.drawing().querylane_threshold())),
        score_threshold_(proto.tasks().vector_map().score_threshold()) {}

  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<VectorHead>(channels, head_, generator);
  }
  bool takes(const config::ListGroup& list) const override { return list.static_task(); }
  void add_to_check(CheckOptions& check) const override { check.static_task = true; }
  double weight() const override { return weight_; }
  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    return vector_losses(output, batch, classes_, grid_, weights_);
  }

  OnnxMaps export_head(OnnxLayers& layers, const OnnxMap& feature) const override {
    return export_vector_head(layers, feature, head_, {grid_, points_, score_threshold_});
  }
  NamedTensors decode(const NetworkOutput& output) const override {
    return vector_tables(output, grid_, points_, score_threshold_);
  }
  std::unique_ptr<TaskMetric> make_metric() const override {
    return std::make_unique<VectorAp>(VectorApOptions{classes_, grid_, points_, traced_threshold_});
  }
  std::vector<Table> overview(const Table& table) const override {
    if (table.name == "vector_ap") return {table};
    return {};
  }
  void add_to_picture(SamplePicture& picture, const NetworkOutput& output, const Batch& batch,
                      int64_t n) const override {
    const auto found = found_vectors(output, n, grid_, points_, score_threshold_);
    const auto truth = vector_targets(batch, n, classes_, grid_, head_.points);
    picture.panels.push_back({"Query lanes, over the labelled ones", [*this, found, truth](BevView& view) {
                                for (const VectorTarget& target : truth) {
                                  std::vector<Vec2> points;
                                  for (const Vec2 p : target.points) points.push_back(to_metres(p, grid_));
                                  view.polyline(points, kFaintInk, 3, target.closed);
                                }
                                for (const LaneVector& vector : found)
                                  view.polyline(vector.points, color_of(vector.class_id), 1.5);
                              }});
  }

 private:
  Color color_of(int64_t class_id) const {
    if (class_id < classes_.lanes) return lane_color(static_cast<size_t>(class_id));
    return road_color(static_cast<size_t>(classes_.road[static_cast<size_t>(class_id - classes_.lanes)]));
  }

  VectorHeadOptions head_;
  VectorClasses classes_;
  LabelGrid grid_;
  double weight_;
  VectorLossWeights weights_;
  int points_;
  float traced_threshold_;
  double score_threshold_;
};

}  // namespace

TaskKind vector_map_task() {
  return {.name = "vectors",
          .module = "bev_vector_head",
          .input = kBevTemporal,
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            if (!document.proto.tasks().vector_map().on()) return nullptr;
            return std::make_unique<VectorMap>(document.proto);
          },
          .judge = judge_vector_map};
}

}  // namespace bevgrad
