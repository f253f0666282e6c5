#include "models/camera/regnet.h"

#include <algorithm>
#include <cmath>

#include "nn/init.h"

namespace bevgrad {
namespace {

constexpr int64_t kRegNetStemChannels = 32;

}  // namespace

RegNetBlock::Transform::Transform(int64_t in_channels, int64_t channels, int stride, const RegNetOptions& options)
    : a(in_channels, channels, {.kernel = 1}, kSequentialNames),
      b(channels, channels,
        {.kernel = 3, .stride = stride, .padding = 1, .groups = static_cast<int>(channels / options.group_width)},
        kSequentialNames),
      c(channels, channels, {.kernel = 1}, kSequentialNames) {
  register_module("a", a);
  register_module("b", b);
  if (options.se_ratio > 0) {
    se = std::make_unique<SqueezeExcitation>(
        channels, std::max<int64_t>(1, std::llrint(options.se_ratio * static_cast<double>(in_channels))));
    register_module("se", *se);
  }
  register_module("c", c);
}

Tensor RegNetBlock::Transform::forward(const Tensor& x, const Tensor& shortcut) {
  return module_call(*this, [&] {
    Tensor y = b.forward(a.forward(x));
    if (se) y = se->forward(y);
    return conv_bn_relu(c.conv, c.bn, y, {.residual = shortcut, .relu = true});
  });
}

RegNetBlock::RegNetBlock(int64_t in_channels, int64_t channels, int stride, const RegNetOptions& options)
    : f_(in_channels, channels, stride, options) {
  if (stride != 1 || in_channels != channels) {
    proj_ = std::make_unique<ResidualShortcut>(in_channels, channels, stride);
    register_module("proj", *proj_);
  }
  register_module("f", f_);
}

Tensor RegNetBlock::forward(const Tensor& x) {
  return module_call(*this, [&] { return f_.forward(x, proj_ ? proj_->forward(x) : x); });
}

Tensor RegNet::Layer::forward(Tensor x) {
  return module_call(*this, [&] {
    for (const auto& [name, block] : *this) x = block->forward(x);
    return x;
  });
}

RegNet::RegNet(const RegNetOptions& options, Generator& generator)
    : options_(options), stem_(3, kRegNetStemChannels, {.kernel = 3, .stride = 2, .padding = 1}, kSequentialNames) {
  check(options.depths.size() == 4 && options.widths.size() == 4 && !options.taps.empty(),
        "regnet: {} depths, {} widths and {} taps, expected 4, 4 and at least 1", options.depths.size(),
        options.widths.size(), options.taps.size());
  register_module("stem", stem_);
  int64_t in_channels = kRegNetStemChannels;
  for (int layer = 1; layer <= 4; ++layer) {
    const auto at = static_cast<size_t>(layer - 1);
    check(options.widths[at] % options.group_width == 0, "regnet: {} channels are no multiple of {}, a group's",
          options.widths[at], options.group_width);
    const std::string name = fmt::format("block{}", layer);
    Layer& blocks = trunk_output_.emplace(name);
    for (int64_t block = 0; block < options.depths[at]; ++block) {
      blocks.emplace(fmt::format("{}-{}", name, block), in_channels, options.widths[at], block == 0 ? 2 : 1, options);
      in_channels = options.widths[at];
    }
  }
  register_module("trunk_output", trunk_output_);
  init::reset_parameters_resnet(*this, generator);
}

std::string RegNet::block_name(int layer, int64_t block) {
  return fmt::format("block{0}.block{0}-{1}", layer, block);
}

std::vector<int64_t> RegNet::out_channels() const {
  std::vector<int64_t> channels;
  for (const int tap : options_.taps) channels.push_back(options_.widths[static_cast<size_t>(tap - 1)]);
  return channels;
}

std::vector<Tensor> RegNet::forward(const Tensor& images) {
  return module_call(*this, [&] {
    check(images.dim() == 4 && images.size(1) == 3, "regnet: images {}, expected [N,3,H,W]", to_string(images.sizes()));
    Tensor x = stem_.forward(images);
    std::vector<Tensor> outputs;
    for (int layer = 1; layer <= options_.taps.back(); ++layer) {
      x = trunk_output_[fmt::format("block{}", layer)].forward(x);
      if (std::ranges::find(options_.taps, layer) != options_.taps.end()) outputs.push_back(x);
    }
    return outputs;
  });
}

}  // namespace bevgrad
