#include "internal/feeds.h"

#include <algorithm>

#include "models/camera/normalise.h"
#include "models/lidar/pillars.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

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

NamedTensors onnx_feeds(const NetworkOptions& options, const OnnxParts& parts, const NetworkInput& input,
                        const History& history, bool normalised_images) {
  NamedTensors feeds = parts.view_inputs(options, input.cameras);
  for (size_t g = 0; g < options.groups.size(); ++g) {
    const std::string& name = options.groups[g].name;
    Tensor images = input.images[g];
    if (normalised_images && images.dtype() == DType::UInt8)
      images = normalise_images(images, options.image_mean, options.image_std, DType::Float32);
    feeds.emplace_back("images_" + name, images);
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
