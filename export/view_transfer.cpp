#include <fmt/core.h>

#include "export/stages.h"
#include "models/blocks.h"
#include "models/camera/bev_projection.h"

namespace bevgrad {

std::vector<BevSamplingGroup> feature_groups(const NetworkOptions& options) {
  std::vector<BevSamplingGroup> groups;
  for (const CameraGroupNetwork& group : options.groups) {
    const int64_t stride = layer_stride(group.taps.front(), options.stem_max_pool);
    groups.push_back({group.num_cameras, group.height / stride, group.width / stride});
  }
  return groups;
}

OnnxMap export_view_transfer(OnnxLayers& layers, const NetworkOptions& options, const std::vector<OnnxMap>& features) {
  OnnxGraph& graph = layers.graph();
  const auto heights = static_cast<int64_t>(options.view_heights.size());
  const int64_t rows = options.grid.rows(), columns = options.grid.columns(), channels = options.neck_channels;
  std::string sum;
  for (size_t g = 0; g < features.size(); ++g) {
    const CameraGroupNetwork& cameras = options.groups[g];
    const OnnxSize images = fmt::format("N*{}", cameras.num_cameras);
    const std::string grid =
        graph.input("grid_" + cameras.name, DType::Float32, {images, heights * rows, columns, int64_t{2}});
    const std::string weight =
        graph.input("weight_" + cameras.name, DType::Float32, {images, int64_t{1}, heights * rows, columns});
    const std::string sampled =
        graph.node("GridSample", {features[g].value, grid},
                   {{"mode", std::string("bilinear")}, {"padding_mode", std::string("border")}, {"align_corners", 0}});
    const std::string by_sample = layers.reshape(graph.node("Mul", {sampled, layers.narrow(weight)}),
                                                 {-1, cameras.num_cameras, channels, heights * rows, columns});
    const std::string seen =
        graph.node("ReduceSum", {by_sample, graph.constant(std::vector<int64_t>{1})}, {{"keepdims", 0}});
    sum = sum.empty() ? seen : layers.add(sum, seen);
  }
  // Channel z * C + c.
  const std::string apart = layers.reshape(sum, {-1, channels, heights, rows, columns});
  const std::string pillars = graph.node("Transpose", {apart}, {{"perm", std::vector<int64_t>{0, 2, 1, 3, 4}}});
  return layers.conv(
      {layers.reshape(pillars, {-1, heights * channels, rows, columns}), heights * channels, rows, columns},
      "view_transfer.conv", {.padding = 1, .norm = "view_transfer.bn"});
}

NamedTensors view_transfer_inputs(const NetworkOptions& options, const std::vector<std::vector<Camera>>& rigs) {
  const BevPoints points{options.grid, options.view_heights};
  const std::vector<BevSamplingGroup> groups = feature_groups(options);
  const int64_t rows = options.grid.rows() * static_cast<int64_t>(points.heights.size());
  const int64_t columns = options.grid.columns();
  NamedTensors inputs;
  for (size_t g = 0; g < groups.size(); ++g) {
    const int64_t images = static_cast<int64_t>(rigs.size()) * groups[g].cameras;
    inputs.emplace_back("grid_" + options.groups[g].name, zeros({images, rows, columns, 2}));
    inputs.emplace_back("weight_" + options.groups[g].name, zeros({images, 1, rows, columns}));
  }
  for (size_t n = 0; n < rigs.size(); ++n) {
    const BevSamplingTable table = project_points(points, groups, rigs[n]);
    for (int64_t p = 0; p < rows * columns; ++p) {
      const int64_t begin = table.offsets[static_cast<size_t>(p)], end = table.offsets[static_cast<size_t>(p) + 1];
      for (int64_t i = begin; i < end; ++i) {
        const BevLook& look = table.looks[static_cast<size_t>(i)];
        const auto g = static_cast<size_t>(look.group);
        const int64_t at = (static_cast<int64_t>(n) * groups[g].cameras + look.camera) * rows * columns + p;
        float* place = inputs[2 * g].second.data<float>() + 2 * at;
        place[0] = static_cast<float>((2.0 * look.u + 1) / static_cast<double>(groups[g].width) - 1);
        place[1] = static_cast<float>((2.0 * look.v + 1) / static_cast<double>(groups[g].height) - 1);
        inputs[2 * g + 1].second.data<float>()[at] = 1.0f / static_cast<float>(end - begin);
      }
    }
  }
  return inputs;
}

}  // namespace bevgrad
