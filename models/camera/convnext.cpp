#include "models/camera/convnext.h"

#include <algorithm>

#include "autograd/functions/activations.h"
#include "autograd/functions/channel_scale.h"
#include "autograd/functions/shape.h"

namespace bevgrad {
namespace {

constexpr int64_t kImageChannels = 3;
constexpr int64_t kExpansion = 4;
constexpr double kInitialScale = 1e-6, kInitialDeviation = 0.02;

Tensor channels_behind(const Tensor& x) {
  return permute(x, {0, 2, 3, 1});
}
Tensor channels_ahead(const Tensor& x) {
  return permute(x, {0, 3, 1, 2});
}

}  // namespace

ConvNeXtBlock::Branch::Branch(int64_t channels)
    : depthwise(channels, channels, {.kernel = 7, .padding = 3, .groups = static_cast<int>(channels)}),
      norm({channels}, ConvNeXt::kNormEps),
      widen(channels, kExpansion * channels),
      narrow(kExpansion * channels, channels) {
  register_module("0", depthwise);
  register_module("2", norm);
  register_module("3", widen);
  register_module("5", narrow);
}

Tensor ConvNeXtBlock::Branch::forward(const Tensor& x) {
  return module_call(*this, [&] {
    const Tensor y = norm.forward(channels_behind(depthwise.forward(x)));
    return channels_ahead(narrow.forward(gelu(widen.forward(y))));
  });
}

ConvNeXtBlock::ConvNeXtBlock(int64_t channels)
    : block_(channels), layer_scale_(register_parameter("layer_scale", zeros({channels, 1, 1}))) {
  register_module("block", block_);
}

void ConvNeXtBlock::draw_parameters(Generator&) {
  init::constant(layer_scale_, kInitialScale);
}

Tensor ConvNeXtBlock::forward(const Tensor& x) {
  return module_call(*this, [&] {
    const Tensor y = block_.forward(x);
    return add_scaled(to(x, y.dtype()), y, reshape(layer_scale_, {x.size(1)}));
  });
}

ConvNeXt::Downsample::Downsample(int64_t in_channels, int64_t channels)
    : is_stem(in_channels == kImageChannels),
      conv(in_channels, channels, is_stem ? ConvSpec{.kernel = 4, .stride = 4} : ConvSpec{.kernel = 2, .stride = 2}),
      norm({is_stem ? channels : in_channels}, kNormEps) {
  if (is_stem) {
    register_module("0", conv);
    register_module("1", norm);
  } else {
    register_module("0", norm);
    register_module("1", conv);
  }
}

Tensor ConvNeXt::Downsample::forward(const Tensor& x) {
  return module_call(*this, [&] {
    const auto normalised = [&](const Tensor& y) { return channels_ahead(norm.forward(channels_behind(y))); };
    return is_stem ? normalised(conv.forward(x)) : conv.forward(normalised(x));
  });
}

ConvNeXt::Features::Features(const ConvNeXtOptions& options) {
  check(options.depths.size() == 4 && options.widths.size() == 4 && !options.taps.empty(),
        "convnext: {} depths, {} widths and {} taps, expected 4, 4 and at least 1", options.depths.size(),
        options.widths.size(), options.taps.size());
  int64_t in_channels = kImageChannels;
  for (size_t i = 0; i < 4; ++i) {
    downsamples.push_back(std::make_unique<Downsample>(in_channels, options.widths[i]));
    register_module(std::to_string(2 * i), *downsamples.back());
    layers.push_back(std::make_unique<Sequential<ConvNeXtBlock>>());
    register_module(std::to_string(2 * i + 1), *layers.back());
    in_channels = options.widths[i];
    for (int64_t block = 0; block < options.depths[i]; ++block) layers.back()->emplace(in_channels);
  }
}

ConvNeXt::ConvNeXt(const ConvNeXtOptions& options, Generator& generator) : options_(options), features_(options) {
  register_module("features", features_);
  visit([&](const std::string&, Module& module) {
    const auto draw = [&](const auto* layer) {
      if (layer == nullptr) return false;
      init::normal(layer->weight, 0, kInitialDeviation, generator);
      init::constant(layer->bias, 0);
      return true;
    };
    if (!draw(dynamic_cast<const Conv2d*>(&module)) && !draw(dynamic_cast<const Linear*>(&module)))
      module.draw_parameters(generator);
  });
}

std::vector<int64_t> ConvNeXt::out_channels() const {
  std::vector<int64_t> channels;
  for (const int tap : options_.taps) channels.push_back(options_.widths[static_cast<size_t>(tap - 1)]);
  return channels;
}

std::vector<Tensor> ConvNeXt::forward(const Tensor& images) {
  return module_call(*this, [&] {
    check(images.dim() == 4 && images.size(1) == kImageChannels, "convnext: images {}, expected [N,3,H,W]",
          to_string(images.sizes()));
    Tensor x = images;
    std::vector<Tensor> outputs;
    for (int layer = 1; layer <= options_.taps.back(); ++layer) {
      const auto at = static_cast<size_t>(layer - 1);
      x = features_.layers[at]->forward(features_.downsamples[at]->forward(x));
      if (std::ranges::find(options_.taps, layer) != options_.taps.end()) outputs.push_back(x);
    }
    return outputs;
  });
}

}  // namespace bevgrad
