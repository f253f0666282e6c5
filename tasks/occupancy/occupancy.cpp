#include "tasks/occupancy/occupancy.h"

#include "export/layers.h"
#include "tasks/occupancy/occupancy_head.h"
#include "tasks/occupancy/occupancy_iou.h"
#include "tasks/occupancy/view.h"
#include "tasks/occupancy/voxels.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

class Occupancy final : public Task {
 public:
  explicit Occupancy(const config::Config& proto)
      : options_(proto.tasks().occupancy()),
        head_(occupancy_head_options(proto)),
        space_(occupancy_space(proto)),
        freespace_threshold_(static_cast<float>(proto.drawing().freespace_threshold())) {}

  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<OccupancyHead>(channels, head_, generator);
  }
  void add_to_check(CheckOptions& check) const override { check.occupancy_task = true; }
  double weight() const override { return options_.weight(); }
  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    return occupancy_losses(output.at(kOccupancyLogits), batch, space_, options_.cross_entropy(), options_.lovasz());
  }

  NamedTensors decode(const NetworkOutput& output) const override {
    const Tensor& logits = output.at(kOccupancyLogits);
    return {{"occupancy", likeliest_voxels(logits, space_)}, {"occupancy_freespace", drivable_columns(logits, space_)}};
  }
  OnnxMaps export_head(OnnxLayers& layers, const OnnxMap& feature) const override {
    const std::string head = "bev_occupancy_head.";
    OnnxMap x = feature;
    for (int64_t i = 0; i < head_.doublings; ++i) x = layers.enlarge(x, "linear");
    x = layers.conv(x, head + "final_conv.conv", {.padding = 1});
    x = layers.conv(x, head + "predicter.0", {.relu = false});
    x.value = layers.graph().node("Softplus", {x.value});
    return {{kOccupancyLogits, layers.conv(x, head + "predicter.2", {.relu = false, .logits = true})}};
  }
  std::unique_ptr<TaskMetric> make_metric() const override {
    return std::make_unique<OccupancyIou>(space_, freespace_threshold_);
  }
  std::vector<Table> overview(const Table& table) const override {
    if (table.name == "occupancy") return {table};
    return {};
  }
  void add_to_picture(SamplePicture& picture, const NetworkOutput& output, const Batch& batch,
                      int64_t n) const override {
    if (batch.voxels.defined())
      picture.panels.push_back(voxels_from_above("Voxels, labelled", ops::select(batch.voxels, 0, n), space_));
    const Tensor logits = ops::narrow(output.at(kOccupancyLogits), 0, n, 1);
    const Tensor voxels = ops::select(likeliest_voxels(logits, space_), 0, 0);
    picture.panels.push_back(voxels_from_above("Voxels, predicted", voxels, space_));
    picture.panels.push_back(
        freespace_panel(voxels, float_raster(drivable_columns(logits, space_)), freespace_threshold_, space_));
  }

 private:
  config::OccupancyTask options_;
  OccupancyHeadOptions head_;
  OccupancySpace space_;
  float freespace_threshold_;
};

}  // namespace

TaskKind occupancy_task() {
  return {.name = "occupancy",
          .module = "bev_occupancy_head",
          .input = kBevTemporal,
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            if (!document.proto.tasks().occupancy_task()) return nullptr;
            return std::make_unique<Occupancy>(document.proto);
          },
          .judge = judge_occupancy};
}

}  // namespace bevgrad
