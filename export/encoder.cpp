#include <fmt/core.h>

#include <algorithm>

#include "base/error.h"
#include "export/stages.h"
#include "models/blocks.h"
#include "models/lidar/pillars.h"
#include "tensor/ops.h"

namespace bevgrad {

std::vector<OnnxMap> export_resnet(OnnxLayers& layers, const NetworkOptions& options, const CameraGroupNetwork& group,
                                   const std::string& stage, const OnnxMap& images) {
  OnnxMap x = layers.conv(images, stage + ".conv1", {.stride = 2, .padding = 3, .norm = stage + ".bn1"});
  if (options.stem_max_pool) {
    x.value = layers.graph().node("MaxPool", {x.value},
                                  {{"kernel_shape", std::vector<int64_t>{3, 3}},
                                   {"strides", std::vector<int64_t>{2, 2}},
                                   {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
    x.height = (x.height - 1) / 2 + 1;
    x.width = (x.width - 1) / 2 + 1;
  }
  std::vector<OnnxMap> taps;
  for (int layer = 1; layer <= 4; ++layer) {
    for (int64_t block = 0; block < options.backbone_blocks[static_cast<size_t>(layer - 1)]; ++block) {
      const std::string name = fmt::format("{}.layer{}.{}", stage, layer, block);
      const int64_t stride = layer > 1 && block == 0 ? 2 : 1;
      x = layers.has(name + ".conv3.weight") ? layers.bottleneck(x, name, stride) : layers.basic_block(x, name, stride);
    }
    if (std::ranges::find(group.taps, layer) != group.taps.end()) taps.push_back(x);
  }
  return taps;
}

OnnxMap export_fpn(OnnxLayers& layers, const std::string& stage, const std::vector<OnnxMap>& maps) {
  OnnxMap y;
  for (size_t i = maps.size(); i-- > 0;) {
    const OnnxMap lateral = layers.conv(maps[i], fmt::format("{}.lateral_convs.{}.conv", stage, i), {.relu = false});
    const std::string above = y.value.empty() ? "" : layers.enlarge(y, "nearest").value;
    y = lateral;
    if (!above.empty()) y.value = layers.add(above, lateral.value);
  }
  return layers.conv(y, stage + ".fpn_convs.0.conv", {.padding = 1, .relu = false});
}

OnnxMap export_generalized_lss_fpn(OnnxLayers& layers, const std::string& stage, const std::vector<OnnxMap>& maps) {
  OnnxMap y = maps.back();
  for (size_t i = maps.size() - 1; i-- > 0;) {
    const OnnxMap above = layers.enlarge(y, "linear");
    check(above.height == maps[i].height && above.width == maps[i].width,
          "{}: a map of {} x {} above one of {} x {}: ONNX's form enlarges by two alone", stage, y.height, y.width,
          maps[i].height, maps[i].width);
    y = {layers.graph().node("Concat", {maps[i].value, above.value}, {{"axis", 1}}), maps[i].channels + above.channels,
         above.height, above.width};
    const auto conv = [&](const char* list, int64_t padding) {
      const std::string name = fmt::format("{}.{}.{}.", stage, list, i);
      y = layers.conv(y, name + "conv", {.padding = padding, .norm = name + "bn"});
    };
    conv("lateral_convs", 0);
    conv("fpn_convs", 1);
  }
  return y;
}

OnnxMap export_lidar(OnnxLayers& layers, const NetworkOptions& options, const std::string& batch) {
  OnnxGraph& graph = layers.graph();
  const LidarOptions& lidar = options.lidar;
  const int64_t rows = 4 * options.grid.rows(), columns = 4 * options.grid.columns(), channels = lidar.vfe_channels;
  const std::string pillars =
      graph.input("pillars", DType::Float32, {std::string("V"), lidar.max_points, Pillars::kFeatures});
  const std::string cells = graph.input("pillar_cells", DType::Int64, {std::string("V")});

  // An empty slot is a row of zeros: it gives what the layer gives for one.
  const std::string layer = "lidar_vfe.pfn_layers.0.";
  const FoldedNorm norm = layers.norm(layer + "norm", kLidarNorm.eps);
  const Tensor weight = ops::mul(ops::transpose(ops::to(layers.tensor(layer + "linear.weight"), DType::Float64), 0, 1),
                                 ops::reshape(norm.scale, {1, channels}));
  const std::string points =
      layers.relu(layers.add(graph.node("MatMul", {pillars, graph.constant(ops::to(weight, DType::Float32))}),
                             graph.constant(ops::to(norm.shift, DType::Float32))));
  const std::string features = graph.node("ReduceMax", {points}, {{"axes", std::vector<int64_t>{1}}, {"keepdims", 0}});

  const std::string size = graph.node("Concat",
                                      {graph.node("Mul", {batch, graph.constant(std::vector<int64_t>{rows * columns})}),
                                       graph.constant(std::vector<int64_t>{channels})},
                                      {{"axis", 0}});
  const std::string canvas = graph.node("Expand", {graph.constant(0.0), size});
  const std::string scattered = graph.node("ScatterND", {canvas, layers.reshape(cells, {-1, 1}), features});
  const std::string map = graph.node("Transpose", {layers.reshape(scattered, {-1, rows, columns, channels})},
                                     {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
  OnnxMap x{layers.narrow(map), channels, rows, columns};

  std::vector<OnnxMap> blocks;
  for (size_t b = 0; b < lidar.layers.size(); ++b) {
    for (int64_t i = 0; i <= lidar.layers[b]; ++i) {
      const std::string block = fmt::format("lidar_bev_backbone.blocks.{}.", b);
      x = layers.conv(
          x, block + std::to_string(3 * i),
          {.stride = i == 0 ? 2 : 1, .padding = 1, .norm = block + std::to_string(3 * i + 1), .eps = kLidarNorm.eps});
    }
    blocks.push_back(x);
  }
  const auto deblock = [&](size_t i, int64_t stride, bool transposed) {
    const std::string name = fmt::format("lidar_bev_backbone.deblocks.{}.", i);
    return layers.conv(blocks[i], name + "0",
                       {.stride = stride, .transposed = transposed, .norm = name + "1", .eps = kLidarNorm.eps});
  };
  const OnnxMap fine = deblock(0, 2, false), middle = deblock(1, 1, false), coarse = deblock(2, 2, true);
  return {graph.node("Concat", {fine.value, middle.value, coarse.value}, {{"axis", 1}}), 3 * lidar.neck_channels,
          fine.height, fine.width};
}

OnnxMap export_fuser(OnnxLayers& layers, const std::vector<OnnxMap>& maps) {
  OnnxMap x = maps.front();
  if (maps.size() > 1) {
    std::vector<std::string> values;
    x.channels = 0;
    for (const OnnxMap& map : maps) {
      values.push_back(map.value);
      x.channels += map.channels;
    }
    x.value = layers.graph().node("Concat", values, {{"axis", 1}});
  }
  return layers.conv(x, "fuser.0", {.padding = 1, .norm = "fuser.1"});
}

}  // namespace bevgrad
