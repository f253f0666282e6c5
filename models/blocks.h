// What the modules of the network are put together from: convolution + normalisation + activation, under whichever
// names the public implementations give them, in one pass where nobody asks for what lies between.
#pragma once
#include <algorithm>
#include <string>

#include "nn/batch_norm.h"
#include "nn/conv.h"
#include "nn/module_call.h"

namespace bevgrad {

/// The norm of the LiDAR encoder's layers, as in mmdetection3d.
inline constexpr NormSpec kLidarNorm = {.eps = 1e-3, .momentum = 0.01};

/// What the two children of a ConvNormRelu are called.
struct ConvNormNames {
  std::string conv = "conv";
  std::string norm = "bn";
};
/// As in a torch.nn.Sequential.
inline const ConvNormNames kSequentialNames = {"0", "1"};

/// relu(norm(conv(x))); the convolution has no bias.
template <class Conv>
class ConvNormRelu : public Module {
 public:
  ConvNormRelu(int64_t in_channels, int64_t out_channels, typename Conv::Spec spec, const ConvNormNames& names = {},
               const NormSpec& norm = {})
      : conv(in_channels, out_channels, without_bias(spec)), bn(out_channels, norm) {
    register_module(names.conv, conv);
    register_module(names.norm, bn);
  }
  /// `only_convolved`: NormFusion's.
  Tensor forward(const Tensor& x, bool only_convolved = false) {
    return module_call(*this,
                       [&] { return conv_bn_relu(conv, bn, x, {.relu = true, .only_convolved = only_convolved}); });
  }

  Conv conv;
  BatchNorm bn;

 private:
  static typename Conv::Spec without_bias(typename Conv::Spec spec) {
    spec.bias = false;
    return spec;
  }
};

using ConvBnRelu = ConvNormRelu<Conv2d>;

/// Cells that TensorFlow's SAME adds to a dimension in all, for ceil(size / stride) outputs; the smaller half comes
/// before the first.
inline int64_t same_padding(int64_t size, int64_t kernel, int64_t stride) {
  return std::max<int64_t>(0, (size - 1) / stride * stride + kernel - size);
}

/// A 3x3 convolution that keeps the size.
inline ConvSpec conv3x3(int stride = 1) {
  return {.kernel = 3, .stride = stride, .padding = 1};
}

}  // namespace bevgrad
