#include "covered_cells/covered_cells.h"

#include "covered_cells/head.h"
#include "covered_cells/iou.h"
#include "covered_cells/labels.h"
#include "lab.pb.h"

namespace lab {

using namespace bevgrad;

namespace {

class CoveredCells final : public Task {
 public:
  explicit CoveredCells(const config::Config& proto)
      : options_(proto.tasks().GetExtension(covered)), grid_(proto.grid()) {}

  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<CoveredHead>(channels, options_.hidden_channels(), generator);
  }

  double weight() const override { return options_.weight(); }
  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    const Tensor& logits = output.at(kCoveredLogits);
    const Tensor labels = covered_labels(batch, grid_, logits.size(2), logits.size(3));
    return {{"focal", 1.0, sigmoid_focal_loss(logits, labels)}, {"dice", 0.5, soft_dice_loss(logits, labels)}};
  }

  OnnxMaps export_head(OnnxLayers& layers, const OnnxMap& feature) const override {
    const std::string hidden = "bev_covered_head.hidden", out = "bev_covered_head.out";
    const OnnxMap x = layers.conv(feature, hidden + ".conv", {.padding = 1, .norm = hidden + ".bn"});
    return {{kCoveredLogits, layers.conv(x, out, {.relu = false, .logits = true})}};
  }
  NamedTensors decode(const NetworkOutput& output) const override {
    return {{"covered", ops::sigmoid(output.at(kCoveredLogits))}};
  }
  std::unique_ptr<TaskMetric> make_metric() const override { return std::make_unique<CoveredIou>(grid_); }
  void add_to_picture(SamplePicture& picture, const NetworkOutput& output, const Batch&, int64_t n) const override {
    const ProbabilityRaster covered = sigmoid_raster(output.at(kCoveredLogits), n);
    picture.panels.push_back({"Covered cells", [covered](BevView& view) {
                                view.cells(covered.rows, covered.columns, [&](int64_t row, int64_t column) {
                                  return heat_color(covered.at(0, row, column));
                                });
                              }});
  }

 private:
  Covered options_;
  config::Grid grid_;
};

}  // namespace

TaskKind covered_cells() {
  return {.name = "covered",
          .module = "bev_covered_head",
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            if (!document.proto.tasks().GetExtension(covered).on()) return nullptr;
            return std::make_unique<CoveredCells>(document.proto);
          },
          .judge =
              [](const configs::Judge& judge, const config::Config& proto) {
                const Covered& options = proto.tasks().GetExtension(covered);
                judge.count("tasks.[lab.covered].hidden_channels", options.hidden_channels(), 1, 4096);
                judge.not_negative("tasks.[lab.covered].weight", options.weight());
              }};
}

}  // namespace lab
