#include "internal/feeds.h"

#include <algorithm>

#include "models/camera/bev_projection.h"
#include "models/camera/normalise.h"
#include "models/lidar/pillars.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

struct Looks {
  Tensor grid, weight;
};

// Per group the table of project_points as GridSample and a product take it.
std::vector<Looks> looks_of(const NetworkOptions& options, const std::vector<std::vector<Camera>>& rigs) {
  const BevPoints points{options.grid, options.view_heights};
  std::vector<BevSamplingGroup> groups;
  std::vector<Looks> looks;
  const int64_t rows = options.grid.rows() * static_cast<int64_t>(points.heights.size());
  const int64_t columns = options.grid.columns();
  const auto samples = static_cast<int64_t>(rigs.size());
  for (const CameraGroupNetwork& group : options.groups) {
    const int64_t stride = layer_stride(group.taps.front(), options.stem_max_pool);
    groups.push_back({group.num_cameras, group.height / stride, group.width / stride});
    const int64_t images = samples * group.num_cameras;
    looks.push_back({zeros({images, rows, columns, 2}), zeros({images, 1, rows, columns})});
  }
  for (size_t n = 0; n < rigs.size(); ++n) {
    const BevSamplingTable table = project_points(points, groups, rigs[n]);
    for (int64_t p = 0; p < rows * columns; ++p) {
      const int64_t begin = table.offsets[static_cast<size_t>(p)], end = table.offsets[static_cast<size_t>(p) + 1];
      for (int64_t i = begin; i < end; ++i) {
        const BevLook& look = table.looks[static_cast<size_t>(i)];
        const auto g = static_cast<size_t>(look.group);
        const int64_t image = static_cast<int64_t>(n) * groups[g].cameras + look.camera;
        float* at = looks[g].grid.data<float>() + (image * rows * columns + p) * 2;
        at[0] = static_cast<float>((2.0 * look.u + 1) / static_cast<double>(groups[g].width) - 1);
        at[1] = static_cast<float>((2.0 * look.v + 1) / static_cast<double>(groups[g].height) - 1);
        looks[g].weight.data<float>()[image * rows * columns + p] = 1.0f / static_cast<float>(end - begin);
      }
    }
  }
  return looks;
}

// Pillars with all their slots.
Tensor padded(const Pillars& pillars, int64_t slots) {
  const Tensor result = zeros({pillars.size(), slots, Pillars::kFeatures});
  const auto* offsets = pillars.offsets.data<const int64_t>();
  const float* from = pillars.features.data<const float>();
  float* to = result.data<float>();
  for (int64_t i = 0; i < pillars.size(); ++i)
    std::copy(from + offsets[i] * Pillars::kFeatures, from + offsets[i + 1] * Pillars::kFeatures,
              to + i * slots * Pillars::kFeatures);
  return result;
}

// Slots without a frame are zeros.
void add_history(NamedTensors& feeds, const NetworkOptions& options, const History& history, int64_t samples) {
  const int64_t slots = options.temporal.history;
  const Tensor features = zeros({samples, slots, options.bev_channels, options.grid.rows(), options.grid.columns()});
  Tensor matrices = zeros({samples, slots, 2, 3}, {DType::Float64});
  Tensor valid = zeros({samples, slots}, {DType::Bool});
  if (!history.prev_feat_list.empty()) {
    matrices = history.feature_warp_matrix;
    valid = ops::to(history.valid, DType::Bool);
    for (size_t k = 0; k < history.prev_feat_list.size(); ++k) {
      const Tensor& frame = history.prev_feat_list[k];
      if (frame.defined())
        ops::copy_(ops::select(features, 1, static_cast<int64_t>(k)),
                   ops::to(ops::to(frame, Device()), DType::Float32));
    }
  }
  feeds.emplace_back("history_features", features);
  feeds.emplace_back("feature_warp_matrix", matrices);
  feeds.emplace_back("history_valid", valid);
}

}  // namespace

NamedTensors onnx_feeds(const NetworkOptions& options, const NetworkInput& input, const History& history,
                        bool normalised_images) {
  NamedTensors feeds;
  const std::vector<Looks> looks = looks_of(options, input.cameras);
  for (size_t g = 0; g < options.groups.size(); ++g) {
    const std::string& name = options.groups[g].name;
    Tensor images = input.images[g];
    if (normalised_images && images.dtype() == DType::UInt8)
      images = normalise_images(images, options.image_mean, options.image_std, DType::Float32);
    feeds.emplace_back("images_" + name, images);
    feeds.emplace_back("grid_" + name, looks[g].grid);
    feeds.emplace_back("weight_" + name, looks[g].weight);
  }
  if (options.enable_lidar) {
    const Pillars pillars = make_pillars(input.points, options.grid, options.lidar);
    feeds.emplace_back("pillars", padded(pillars, options.lidar.max_points));
    feeds.emplace_back("pillar_cells", pillars.cells);
  }
  if (options.enable_static_temporal) add_history(feeds, options, history, input.size());
  return feeds;
}

}  // namespace bevgrad
