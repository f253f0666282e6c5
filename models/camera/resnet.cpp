#include "models/camera/resnet.h"

#include <algorithm>

#include "autograd/functions/pool.h"
#include "models/basic_block.h"
#include "models/bottleneck.h"
#include "nn/byte_maps.h"
#include "nn/init.h"
#include "nn/recomputable.h"

namespace bevgrad {
namespace {

Tensor pooled(const Tensor& x) {
  if (const std::optional<ByteMap> bytes = byte_map(x)) return with_step(max_pool2d(*bytes, 3, 2, 1));
  return max_pool2d(x, {.kernel = 3, .stride = 2, .padding = 1});
}

}  // namespace

ResNet::ResNet(const ResNetOptions& options, Generator& generator)
    : options_(options),
      conv1_(3, options.width, {.kernel = 7, .stride = 2, .padding = 3, .bias = false}),
      bn1_(options.width) {
  check(options.blocks.size() == 4 && !options.taps.empty(), "resnet: {} layers and {} taps, expected 4 and at least 1",
        options.blocks.size(), options.taps.size());
  register_module("conv1", conv1_);
  register_module("bn1", bn1_);
  int64_t in_channels = options.width;
  for (int i = 0; i < 4; ++i) {
    const int64_t channels = options.width << i;
    auto layer = std::make_unique<Layer>();
    for (int64_t b = 0; b < options.blocks[static_cast<size_t>(i)]; ++b) {
      const int stride = i > 0 && b == 0 ? 2 : 1;
      const bool only_convolved = b + 1 < options.blocks[static_cast<size_t>(i)] || !is_tapped(i + 1);
      if (options.bottleneck) {
        layer->emplace<Bottleneck>(in_channels, channels, stride, only_convolved);
      } else {
        layer->emplace<BasicBlock>(in_channels, channels, stride, only_convolved);
      }
      in_channels = layer_channels(i + 1);
    }
    register_module(fmt::format("layer{}", i + 1), *layer);
    layers_.push_back(std::move(layer));
  }
  init::reset_parameters_resnet(*this, generator);
}

bool ResNet::is_tapped(int layer) const {
  return std::ranges::find(options_.taps, layer) != options_.taps.end();
}

int64_t ResNet::layer_channels(int layer) const {
  return (options_.width << (layer - 1)) * (options_.bottleneck ? Bottleneck::kExpansion : 1);
}

std::vector<int64_t> ResNet::out_channels() const {
  std::vector<int64_t> channels;
  for (const int tap : options_.taps) channels.push_back(layer_channels(tap));
  return channels;
}

std::vector<Tensor> ResNet::forward(const Tensor& images) {
  return module_call(*this, [&] {
    check(images.dim() == 4 && images.size(1) == 3, "resnet: images {}, expected [N,3,H,W]", to_string(images.sizes()));
    const auto stem = [this](const std::vector<Tensor>& in) {
      const Tensor y = conv_bn_relu(conv1_, bn1_, in[0], {.relu = true, .only_convolved = true});
      return options_.stem_max_pool ? pooled(y) : y;
    };
    Tensor x = recomputable(conv1_, {images}, stem, {&conv1_, &bn1_});
    std::vector<Tensor> outputs;
    for (int layer = 1; layer <= options_.taps.back(); ++layer) {
      x = layers_[static_cast<size_t>(layer - 1)]->forward(x);
      if (is_tapped(layer)) outputs.push_back(x);
    }
    return outputs;
  });
}

}  // namespace bevgrad
