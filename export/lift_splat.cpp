// Lift-splat pooling as gathers and sums: ONNX Runtime's ScatterND with reduction "add" loses sums where several
// threads meet, and TensorRT's knows no reduction. Every cell's runs stand side by side, sixteen in a row; rows are
// summed, sixteen to one, until each cell is one. Row 0 of a sample is nothing: what the places point to that are not
// used.
#include <fmt/core.h>

#include <algorithm>

#include "export/stages.h"
#include "models/blocks.h"
#include "models/camera/lift_splat.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr int64_t kWidth = 16;

int64_t pixels_of(const std::vector<BevSamplingGroup>& groups) {
  int64_t pixels = 0;
  for (const BevSamplingGroup& group : groups) pixels += group.cameras * group.height * group.width;
  return pixels;
}

/// How often rows are summed. A ray crosses a cell once, so a cell has at most as many runs as there are pixels.
int64_t sums_of(int64_t pixels) {
  int64_t sums = 1;
  for (int64_t most = kWidth * kWidth; most < pixels; most *= kWidth) ++sums;
  return sums;
}

std::string sum_name(int64_t i) {
  return fmt::format("lift_sums_{}", i + 1);
}

Tensor table_of(const std::vector<int32_t>& values, Shape sizes) {
  sizes.insert(sizes.begin(), static_cast<int64_t>(values.size()) / numel(sizes));
  const Tensor table = empty(sizes, {DType::Int32});
  std::ranges::copy(values, table.data<int32_t>());
  return table;
}

/// The rows of one sum, of all samples.
class Rows {
 public:
  explicit Rows(int64_t columns) : width_(kWidth * columns) {}

  int32_t count() const { return static_cast<int32_t>(static_cast<int64_t>(values_.size()) / width_); }
  void begin_row() { full_ = values_.size() + static_cast<size_t>(width_); }
  void add(std::initializer_list<int32_t> place) { values_.insert(values_.end(), place); }
  /// Fills it with what counts for nothing.
  void end_row(std::initializer_list<int32_t> nothing) {
    while (values_.size() < full_) add(nothing);
  }
  const std::vector<int32_t>& values() const { return values_; }

 private:
  int64_t width_;
  size_t full_ = 0;
  std::vector<int32_t> values_;
};

}  // namespace

NamedTensors lift_splat_inputs(const NetworkOptions& options, const DepthBins& bins,
                               const std::vector<std::vector<Camera>>& rigs) {
  const std::vector<BevSamplingGroup> groups = feature_groups(options);
  const int64_t pixels = pixels_of(groups), cells = options.grid.rows() * options.grid.columns();
  Rows runs(3);
  std::vector<Rows> sums(static_cast<size_t>(sums_of(pixels)), Rows(1));
  for (size_t n = 0; n < rigs.size(); ++n) {
    const LiftSplatting splatting(lift_table(options.grid, bins, groups, rigs[n]));
    const LiftSplatting::Tables tables = splatting.tables(Device());
    const auto first_pixel = static_cast<int32_t>(static_cast<int64_t>(n) * pixels);
    const int32_t no_run = runs.count();
    runs.begin_row();
    runs.end_row({first_pixel, 0, 0});
    std::vector<int32_t> begins, ends;  // of every cell, in the rows that were made last
    for (int64_t cell = 0; cell < cells; ++cell) {
      begins.push_back(runs.count());
      for (int64_t i = tables.cell_offsets[cell]; i < tables.cell_offsets[cell + 1];) {
        runs.begin_row();
        for (int64_t k = 0; k < kWidth && i < tables.cell_offsets[cell + 1]; ++k, ++i) {
          const LiftRun& run = tables.by_cell[i];
          const int64_t pixel = splatting.pixel_offsets()[static_cast<size_t>(run.image)] + run.pixel;
          runs.add({first_pixel + static_cast<int32_t>(pixel), run.begin, run.end});
        }
        runs.end_row({first_pixel, 0, 0});
      }
      ends.push_back(runs.count());
    }
    int32_t nothing = no_run;
    for (size_t s = 0; s < sums.size(); ++s) {
      const bool last = s + 1 == sums.size();
      Rows& rows = sums[s];
      const int32_t no_row = rows.count();
      if (!last) {
        rows.begin_row();
        rows.end_row({nothing});
      }
      for (size_t cell = 0; cell < begins.size(); ++cell) {
        const int32_t begin = rows.count();
        int32_t row = begins[cell];
        do {
          if (row == ends[cell] && !last) break;
          rows.begin_row();
          for (int64_t k = 0; k < kWidth && row < ends[cell]; ++k) rows.add({row++});
          rows.end_row({nothing});
        } while (row < ends[cell]);
        check(!last || rows.count() == begin + 1, "lift_splat_inputs: cell {} has more runs than there are pixels",
              cell);
        begins[cell] = begin;
        ends[cell] = rows.count();
      }
      nothing = no_row;
    }
  }
  NamedTensors inputs = {{"lift_runs", table_of(runs.values(), {kWidth, 3})}};
  for (size_t s = 0; s < sums.size(); ++s)
    inputs.emplace_back(sum_name(static_cast<int64_t>(s)), table_of(sums[s].values(), {kWidth}));
  return inputs;
}

OnnxMap export_lift_splat(OnnxLayers& layers, const NetworkOptions& options, const std::vector<OnnxMap>& features) {
  OnnxGraph& graph = layers.graph();
  const std::string stage = "view_transfer";
  const std::vector<BevSamplingGroup> groups = feature_groups(options);
  const int64_t rows = options.grid.rows(), columns = options.grid.columns(), pixels = pixels_of(groups);
  const int64_t channels = layers.tensor(stage + ".conv.weight").size(1),
                bins = layers.tensor(stage + ".depthnet.weight").size(0) - channels;
  const auto whole = [&](int64_t value) { return graph.constant(std::vector<int64_t>{value}); };
  const auto slice = [&](const std::string& x, int64_t axis, int64_t begin, int64_t end) {
    return graph.node("Slice", {x, whole(begin), whole(end), whole(axis)});
  };

  // Depth logits and features of every pixel, those of a sample one after the other.
  std::vector<std::string> by_group;
  for (size_t g = 0; g < features.size(); ++g) {
    const BevSamplingGroup& group = groups[g];
    const std::string y =
        layers.widen(layers.conv(features[g], stage + ".depthnet", {.relu = false, .logits = true}).value);
    graph.output(layers.reshape(slice(y, 1, 0, bins), {-1, group.cameras, bins, group.height, group.width}),
                 fmt::format("{}{}", kDepthLogits, g),
                 {std::string("N"), group.cameras, bins, group.height, group.width});
    const std::string last = graph.node("Transpose", {y}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
    by_group.push_back(layers.reshape(last, {-1, group.cameras * group.height * group.width, bins + channels}));
  }
  const std::string all = layers.reshape(graph.node("Concat", by_group, {{"axis", 1}}), {-1, bins + channels});
  const std::string context = slice(all, 1, bins, bins + channels);

  // The weight of a run is the sum of its bins: a difference of what is summed up to its end and to its begin.
  const std::string depth = graph.node("Softmax", {slice(all, 1, 0, bins)}, {{"axis", 1}});
  const Tensor before = zeros({bins, bins + 1});
  for (int64_t b = 0; b < bins; ++b)
    for (int64_t end = b + 1; end <= bins; ++end) before.data<float>()[b * (bins + 1) + end] = 1;
  const std::string up_to = layers.reshape(graph.node("MatMul", {depth, graph.constant(before)}), {-1});
  const std::string runs = graph.input("lift_runs", DType::Int32, {std::string("M"), kWidth, int64_t{3}});
  const auto column = [&](int64_t i) { return layers.reshape(slice(runs, 2, i, i + 1), {-1, kWidth}); };
  const std::string pixel = column(0);
  const std::string first = graph.node("Mul", {pixel, graph.cast(whole(bins + 1), DType::Int32)});
  const auto up_to_bin = [&](int64_t i) {
    return graph.node("Gather", {up_to, graph.node("Add", {first, column(i)})}, {{"axis", 0}});
  };
  const std::string weights = layers.reshape(graph.node("Sub", {up_to_bin(2), up_to_bin(1)}), {-1, 1, kWidth});
  const std::string seen = graph.node("Gather", {context, pixel}, {{"axis", 0}});
  std::string sums = layers.reshape(graph.node("MatMul", {weights, seen}), {-1, channels});

  const int64_t count = sums_of(pixels);
  for (int64_t s = 0; s < count; ++s) {
    const OnnxSize size = s + 1 == count ? fmt::format("N*{}", rows * columns) : fmt::format("M{}", s + 1);
    const std::string places = graph.input(sum_name(s), DType::Int32, {size, kWidth});
    sums = graph.node("ReduceSum", {graph.node("Gather", {sums, places}, {{"axis", 0}}), whole(1)}, {{"keepdims", 0}});
  }
  const std::string map = graph.node("Transpose", {layers.reshape(sums, {-1, rows, columns, channels})},
                                     {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  return layers.conv({layers.narrow(map), channels, rows, columns}, stage + ".conv",
                     {.padding = 1, .norm = stage + ".bn"});
}

}  // namespace bevgrad
