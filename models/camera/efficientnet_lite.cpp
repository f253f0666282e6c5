#include "models/camera/efficientnet_lite.h"

#include <algorithm>
#include <cmath>

#include "autograd/functions/arrange.h"
#include "autograd/functions/pointwise.h"

namespace bevgrad {
namespace {

constexpr int64_t kLiteStemChannels = 32;

struct StageSpec {
  int64_t repeats, channels;
  int expansion, kernel, stride;
};
constexpr StageSpec kStages[] = {{1, 16, 1, 3, 1},  {2, 24, 6, 3, 2},  {2, 40, 6, 5, 2}, {3, 80, 6, 3, 2},
                                 {3, 112, 6, 5, 1}, {4, 192, 6, 5, 2}, {1, 320, 6, 3, 1}};

/// The nearest multiple of 8 that is not over a tenth less.
int64_t scaled_channels(int64_t channels, double factor) {
  const double wanted = static_cast<double>(channels) * factor;
  const auto rounded = std::max<int64_t>(8, static_cast<int64_t>(wanted + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * wanted ? rounded + 8 : rounded;
}

/// TensorFlow's padding of a strided convolution is not of the convolution: strided_input() adds it.
ConvSpec conv_spec(int kernel, int stride, int64_t groups, bool tensorflow) {
  return {.kernel = kernel,
          .stride = stride,
          .padding = tensorflow && stride > 1 ? 0 : kernel / 2,
          .groups = static_cast<int>(groups),
          .bias = false};
}

NormSpec norm_spec(bool tensorflow) {
  return {.eps = EfficientNetLite::norm_eps(tensorflow)};
}

Tensor strided_input(const Tensor& x, const ConvSpec& spec, bool tensorflow) {
  if (!tensorflow || spec.stride.h == 1) return x;
  const int64_t rows = same_padding(x.size(2), spec.kernel.h, spec.stride.h),
                columns = same_padding(x.size(3), spec.kernel.w, spec.stride.w);
  return pad(x, {columns / 2, columns - columns / 2, rows / 2, rows - rows / 2});
}

Tensor conv_bn_relu6(const Conv2d& conv, BatchNorm& bn, const Tensor& x) {
  return clamp(conv_bn_relu(conv, bn, x), 0, 6);
}

}  // namespace

EfficientNetLiteBlock::Step::Step(int64_t in_channels, int64_t channels, const ConvSpec& spec, const NormSpec& norm)
    : conv(in_channels, channels, spec), bn(channels, norm) {}

EfficientNetLiteBlock::EfficientNetLiteBlock(const EfficientNetLiteBlockSpec& spec, bool tensorflow)
    : spec_(spec),
      tensorflow_(tensorflow),
      depthwise_(spec.widened(), spec.widened(), conv_spec(spec.kernel, spec.stride, spec.widened(), tensorflow),
                 norm_spec(tensorflow)),
      narrow_(spec.widened(), spec.channels, {.bias = false}, norm_spec(tensorflow)) {
  int norms = 0;
  const auto add = [&](const char* name, Step& step) {
    register_module(name, step.conv);
    register_module(fmt::format("bn{}", ++norms), step.bn);
  };
  if (spec.expansion > 1)
    add("conv_pw", widen_.emplace(spec.in_channels, spec.widened(), ConvSpec{.bias = false}, norm_spec(tensorflow)));
  add("conv_dw", depthwise_);
  add(spec.expansion > 1 ? "conv_pwl" : "conv_pw", narrow_);
}

Tensor EfficientNetLiteBlock::forward(const Tensor& x) {
  return module_call(*this, [&] {
    Tensor y = widen_ ? conv_bn_relu6(widen_->conv, widen_->bn, x) : x;
    y = conv_bn_relu6(depthwise_.conv, depthwise_.bn, strided_input(y, depthwise_.conv.spec(), tensorflow_));
    return conv_bn_relu(narrow_.conv, narrow_.bn, y, {.residual = spec_.has_shortcut() ? x : Tensor(), .relu = false});
  });
}

EfficientNetLite::EfficientNetLite(const EfficientNetLiteOptions& options, Generator& generator)
    : options_(options),
      conv_stem_(3, kLiteStemChannels, conv_spec(3, 2, 1, options.tensorflow)),
      bn1_(kLiteStemChannels, norm_spec(options.tensorflow)) {
  check(!options.taps.empty(), "efficientnet_lite: there are no taps, expected at least 1");
  register_module("conv_stem", conv_stem_);
  register_module("bn1", bn1_);
  for (const auto& stage : stages(options)) {
    auto& blocks = blocks_.emplace();
    for (const EfficientNetLiteBlockSpec& spec : stage) blocks.emplace(spec, options.tensorflow);
  }
  register_module("blocks", blocks_);
  // Normal, by what a channel is fed by and feeds: of depthwise convolutions one.
  visit([&](const std::string&, Module& module) {
    if (const auto* conv = dynamic_cast<const Conv2d*>(&module)) {
      const int64_t fan = init::fan(conv->weight, init::Fan::Out) / conv->spec().groups;
      init::normal(conv->weight, 0, std::sqrt(2.0 / static_cast<double>(fan)), generator);
    }
  });
}

std::vector<std::vector<EfficientNetLiteBlockSpec>> EfficientNetLite::stages(const EfficientNetLiteOptions& options) {
  std::vector<std::vector<EfficientNetLiteBlockSpec>> stages;
  int64_t in_channels = kLiteStemChannels;
  for (const StageSpec& spec : kStages) {
    const bool is_scaled = &spec != std::begin(kStages) && &spec != std::end(kStages) - 1;
    const auto repeats =
        static_cast<int64_t>(std::ceil(static_cast<double>(spec.repeats) * (is_scaled ? options.depth : 1)));
    const int64_t channels = scaled_channels(spec.channels, options.width);
    auto& blocks = stages.emplace_back();
    for (int64_t i = 0; i < repeats; ++i) {
      blocks.push_back({in_channels, channels, spec.expansion, spec.kernel, i == 0 ? spec.stride : 1});
      in_channels = channels;
    }
  }
  return stages;
}

int EfficientNetLite::layer_after(size_t stage) {
  switch (stage) {
    case 1:
      return 1;
    case 2:
      return 2;
    case 4:
      return 3;
    case 6:
      return 4;
    default:
      return 0;
  }
}

std::vector<int64_t> EfficientNetLite::out_channels() const {
  std::vector<int64_t> channels;
  const auto all = stages(options_);
  for (size_t stage = 0; stage < all.size(); ++stage)
    if (is_tapped(layer_after(stage))) channels.push_back(all[stage].back().channels);
  return channels;
}

bool EfficientNetLite::is_tapped(int layer) const {
  return std::ranges::find(options_.taps, layer) != options_.taps.end();
}

std::vector<Tensor> EfficientNetLite::forward(const Tensor& images) {
  return module_call(*this, [&] {
    check(images.dim() == 4 && images.size(1) == 3, "efficientnet_lite: images {}, expected [N,3,H,W]",
          to_string(images.sizes()));
    Tensor x = conv_bn_relu6(conv_stem_, bn1_, strided_input(images, conv_stem_.spec(), options_.tensorflow));
    std::vector<Tensor> outputs;
    for (size_t stage = 0; outputs.size() < options_.taps.size(); ++stage) {
      x = blocks_[stage].forward(x);
      if (is_tapped(layer_after(stage))) outputs.push_back(x);
    }
    return outputs;
  });
}

}  // namespace bevgrad
