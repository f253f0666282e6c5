// The backbones beside ResNet as ONNX nodes.
#include <fmt/core.h>

#include <algorithm>
#include <numbers>

#include "export/stages.h"
#include "models/camera/convnext.h"
#include "models/camera/efficientnet_lite.h"
#include "models/camera/regnet.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

bool is_tapped(const CameraGroupNetwork& group, int layer) {
  return std::ranges::find(group.taps, layer) != group.taps.end();
}

OnnxMap squeeze_excitation(OnnxLayers& layers, const OnnxMap& x, const std::string& name) {
  const OnnxMap mean = {layers.graph().node("GlobalAveragePool", {x.value}), x.channels, 1, 1};
  const OnnxMap shares = layers.conv(layers.conv(mean, name + ".fc1", {}), name + ".fc2", {.relu = false});
  return {layers.graph().node("Mul", {x.value, layers.graph().node("Sigmoid", {shares.value})}), x.channels, x.height,
          x.width};
}

OnnxMap regnet_block(OnnxLayers& layers, const OnnxMap& x, const std::string& name, int64_t stride,
                     int64_t group_width) {
  const auto conv = [&](const OnnxMap& input, const std::string& at, ConvForm form) {
    form.norm = at + ".1";
    return layers.conv(input, at + ".0", form);
  };
  const OnnxMap shortcut =
      layers.has(name + ".proj.0.weight") ? conv(x, name + ".proj", {.stride = stride, .relu = false}) : x;
  OnnxMap y = conv(x, name + ".f.a", {});
  y = conv(y, name + ".f.b", {.stride = stride, .padding = 1, .groups = y.channels / group_width});
  if (layers.has(name + ".f.se.fc1.weight")) y = squeeze_excitation(layers, y, name + ".f.se");
  return conv(y, name + ".f.c", {.residual = shortcut.value});
}

OnnxMap relu6(OnnxLayers& layers, OnnxMap x) {
  x.value = layers.graph().node("Min", {x.value, layers.weight(full({}, 6), "relu6")});
  return x;
}

/// x [N,C,H,W] -> [N,H,W,C], and back.
std::string channels_behind(OnnxLayers& layers, const std::string& x) {
  return layers.graph().node("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1}}});
}
std::string channels_ahead(OnnxLayers& layers, const std::string& x) {
  return layers.graph().node("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 3, 1, 2}}});
}

std::string layer_norm(OnnxLayers& layers, const std::string& x, const std::string& name) {
  const auto parameter = [&](const char* of) { return layers.weight(layers.tensor(name + of), name); };
  return layers.graph().node("LayerNormalization", {x, parameter(".weight"), parameter(".bias")},
                             {{"axis", -1}, {"epsilon", ConvNeXt::kNormEps}});
}

OnnxMap channel_norm(OnnxLayers& layers, OnnxMap x, const std::string& name) {
  x.value = channels_ahead(layers, layer_norm(layers, channels_behind(layers, x.value), name));
  return x;
}

std::string linear(OnnxLayers& layers, const std::string& x, const std::string& name) {
  const Tensor weight = ops::contiguous(ops::transpose(layers.tensor(name + ".weight"), 0, 1));
  return layers.add(layers.graph().node("MatMul", {x, layers.weight(weight, name)}),
                    layers.weight(layers.tensor(name + ".bias"), name));
}

/// Opset 17 has no node of its own for it.
std::string gelu(OnnxLayers& layers, const std::string& x) {
  OnnxGraph& graph = layers.graph();
  const auto number = [&](double value) { return layers.weight(full({}, value), "gelu"); };
  const std::string erf = graph.node("Erf", {graph.node("Mul", {x, number(1 / std::numbers::sqrt2)})});
  return graph.node("Mul", {graph.node("Mul", {x, number(0.5)}), layers.add(erf, number(1))});
}

OnnxMap convnext_block(OnnxLayers& layers, const OnnxMap& x, const std::string& name) {
  const std::string block = name + ".block.";
  const OnnxMap mixed = layers.conv(x, block + "0", {.padding = 3, .groups = x.channels, .relu = false});
  std::string y = layer_norm(layers, channels_behind(layers, mixed.value), block + "2");
  y = linear(layers, gelu(layers, linear(layers, y, block + "3")), block + "5");
  const std::string scale = layers.weight(layers.tensor(name + ".layer_scale"), name);
  y = layers.graph().node("Mul", {channels_ahead(layers, y), scale});
  return {layers.add(x.value, y), x.channels, x.height, x.width};
}

}  // namespace

std::vector<OnnxMap> export_regnet(OnnxLayers& layers, const NetworkOptions&, const CameraGroupNetwork& group,
                                   const std::string& stage, const OnnxMap& images) {
  const RegNetOptions& options = layers.part<RegNet>(stage).options();
  OnnxMap x = layers.conv(images, stage + ".stem.0", {.stride = 2, .padding = 1, .norm = stage + ".stem.1"});
  std::vector<OnnxMap> taps;
  for (int layer = 1; layer <= 4; ++layer) {
    for (int64_t block = 0; block < options.depths[static_cast<size_t>(layer - 1)]; ++block)
      x = regnet_block(layers, x, stage + ".trunk_output." + RegNet::block_name(layer, block), block == 0 ? 2 : 1,
                       options.group_width);
    if (is_tapped(group, layer)) taps.push_back(x);
  }
  return taps;
}

std::vector<OnnxMap> export_efficientnet_lite(OnnxLayers& layers, const NetworkOptions&,
                                              const CameraGroupNetwork& group, const std::string& stage,
                                              const OnnxMap& images) {
  const EfficientNetLiteOptions& options = layers.part<EfficientNetLite>(stage).options();
  const auto conv = [&](const OnnxMap& x, const std::string& at, const std::string& norm, ConvForm form) {
    form.norm = norm;
    form.eps = EfficientNetLite::norm_eps(options.tensorflow);
    form.same = options.tensorflow;
    return layers.conv(x, at, form);
  };
  OnnxMap x = relu6(layers, conv(images, stage + ".conv_stem", stage + ".bn1", {.stride = 2, .padding = 1}));
  const auto stages = EfficientNetLite::stages(options);
  std::vector<OnnxMap> taps;
  for (size_t i = 0; i < stages.size(); ++i) {
    for (size_t b = 0; b < stages[i].size(); ++b) {
      const EfficientNetLiteBlockSpec& spec = stages[i][b];
      const std::string block = fmt::format("{}.blocks.{}.{}.", stage, i, b);
      const bool widens = spec.expansion > 1;
      OnnxMap y = widens ? relu6(layers, conv(x, block + "conv_pw", block + "bn1", {})) : x;
      y = relu6(layers, conv(y, block + "conv_dw", block + (widens ? "bn2" : "bn1"),
                             {.stride = spec.stride, .padding = spec.kernel / 2, .groups = spec.widened()}));
      x = conv(y, block + (widens ? "conv_pwl" : "conv_pw"), block + (widens ? "bn3" : "bn2"),
               {.relu = false, .residual = spec.has_shortcut() ? x.value : ""});
    }
    if (is_tapped(group, EfficientNetLite::layer_after(i))) taps.push_back(x);
  }
  return taps;
}

std::vector<OnnxMap> export_convnext(OnnxLayers& layers, const NetworkOptions&, const CameraGroupNetwork& group,
                                     const std::string& stage, const OnnxMap& images) {
  const ConvNeXtOptions& options = layers.part<ConvNeXt>(stage).options();
  OnnxMap x = layers.conv(images, stage + ".features.0.0", {.stride = 4, .relu = false});
  x = channel_norm(layers, x, stage + ".features.0.1");
  std::vector<OnnxMap> taps;
  for (int layer = 1; layer <= 4; ++layer) {
    if (layer > 1) {
      const std::string at = fmt::format("{}.features.{}.", stage, 2 * (layer - 1));
      x = layers.conv(channel_norm(layers, x, at + "0"), at + "1", {.stride = 2, .relu = false});
    }
    for (int64_t block = 0; block < options.depths[static_cast<size_t>(layer - 1)]; ++block)
      x = convnext_block(layers, x, fmt::format("{}.features.{}.{}", stage, 2 * layer - 1, block));
    if (is_tapped(group, layer)) taps.push_back(x);
  }
  return taps;
}

}  // namespace bevgrad
