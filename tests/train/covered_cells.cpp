#include "train/covered_cells.h"

#include <cmath>
#include <sstream>

#include "drawing/bev_view.h"
#include "drawing/palette.h"
#include "models/blocks.h"
#include "nn/init.h"
#include "nn/losses.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr const char* kCoveredLogits = "covered_logits";  // [N,1,Hb,Wb]

class CoveredHead final : public Head {
 public:
  CoveredHead(int64_t channels, Generator& generator)
      : hidden_(channels, channels, conv3x3()), out_(channels, 1, {.kernel = 1}) {
    register_module("hidden", hidden_);
    register_module("out", out_);
    init::reset_parameters_resnet(*this, generator);
    init::constant(out_.bias, init::prior_bias(0.1));
  }
  NamedTensors forward(const Tensor& feature) override {
    return {{kCoveredLogits, run(out_, hidden_.forward(feature))}};
  }

 private:
  ConvBnRelu hidden_;
  Conv2d out_;
};

/// uint8 [N,1,rows,columns]: 1 where a box covers the cell's centre, 255 (ignored) in samples without labelled boxes.
Tensor covered_labels(const Batch& batch, const config::Grid& grid, int64_t rows, int64_t columns) {
  const Tensor labels = zeros({batch.size(), 1, rows, columns}, {.dtype = DType::UInt8});
  for (int64_t n = 0; n < batch.size(); ++n) {
    uint8_t* cells = labels.data<uint8_t>() + n * rows * columns;
    if (!batch.has_boxes[static_cast<size_t>(n)]) std::fill(cells, cells + rows * columns, uint8_t{kIgnoredTarget});
    for (const Box3d& box : batch.boxes[static_cast<size_t>(n)]) {
      for (int64_t i = 0; i < rows * columns; ++i) {
        const double x = grid.pc_range(0) + (static_cast<double>(i % columns) + 0.5) * grid.bev_cell() - box.x;
        const double y = grid.pc_range(1) + (static_cast<double>(i / columns) + 0.5) * grid.bev_cell() - box.y;
        const double along = std::cos(box.yaw) * x + std::sin(box.yaw) * y;
        const double across = std::cos(box.yaw) * y - std::sin(box.yaw) * x;
        if (std::abs(along) <= box.l / 2 && std::abs(across) <= box.w / 2) cells[i] = 1;
      }
    }
  }
  return labels;
}

class CoveredIou final : public TaskMetric {
 public:
  explicit CoveredIou(const config::Grid& grid) : grid_(grid) {}

  void add(const JudgedFrame& judged) override {
    const Tensor& logits = judged.output.at(kCoveredLogits);
    const LabelRaster labels =
        label_raster(covered_labels(judged.batch, grid_, logits.size(2), logits.size(3)), judged.sample);
    const ProbabilityRaster predicted = sigmoid_raster(logits, judged.sample);
    for (size_t i = 0; i < labels.values.size(); ++i) {
      if (labels.values[i] == kIgnoredTarget) continue;
      both_ += predicted.values[i] >= 0.5f && labels.values[i] == 1;
      either_ += predicted.values[i] >= 0.5f || labels.values[i] == 1;
    }
  }
  std::string state() const override { return fmt::format("{} {}", both_, either_); }
  void merge(const std::string& state) override {
    int64_t both = 0, either = 0;
    std::istringstream(state) >> both >> either;
    both_ += both;
    either_ += either;
  }
  std::vector<Table> tables() const override {
    Table table{"covered_iou", "IoU of the cells that boxes cover", {{"cells", true}, {"iou", false}}, {}};
    table.add_row({std::string("covered"), cell_of(iou())});
    return {table};
  }
  std::vector<std::string> headline_names() const override { return {"covered_iou"}; }
  std::map<std::string, double> headline() const override {
    std::map<std::string, double> figures;
    if (const Ratio value = iou()) figures["covered_iou"] = *value;
    return figures;
  }

 private:
  Ratio iou() const { return ratio(static_cast<double>(both_), static_cast<double>(either_)); }

  config::Grid grid_;
  int64_t both_ = 0, either_ = 0;
};

class CoveredCells final : public Task {
 public:
  explicit CoveredCells(const config::Config& proto) : grid_(proto.grid()) {}

  std::unique_ptr<Head> make_head(int64_t channels, Generator& generator) const override {
    return std::make_unique<CoveredHead>(channels, generator);
  }
  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    const Tensor& logits = output.at(kCoveredLogits);
    const Tensor labels = covered_labels(batch, grid_, logits.size(2), logits.size(3));
    return {{"focal", 1.0, sigmoid_focal_loss(logits, labels)}, {"dice", 0.5, soft_dice_loss(logits, labels)}};
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
  config::Grid grid_;
};

}  // namespace

TaskKind covered_cells_task() {
  return {.name = "covered",
          .module = "bev_covered_head",
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            return std::make_unique<CoveredCells>(document.proto);
          }};
}

}  // namespace bevgrad
