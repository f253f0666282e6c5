// Convolution layers, with PyTorch's parameter names.
#pragma once
#include <memory>

#include "autograd/functions/conv.h"
#include "autograd/functions/conv_transpose.h"
#include "nn/init.h"
#include "nn/module.h"

namespace bevgrad {

struct ConvSpec {
  Pair kernel = 1;
  Pair stride = 1;
  Pair padding = 0;
  Pair dilation = 1;
  int groups = 1;
  bool bias = true;
  /// relu of the result; NaN stays NaN.
  bool relu = false;

  Conv2dOptions options() const { return {stride, padding, dilation, groups, relu}; }
};

struct ConvTransposeSpec {
  Pair kernel = 1;
  Pair stride = 1;
  Pair padding = 0;
  Pair output_padding = 0;
  int groups = 1;
  bool bias = true;
  Pair dilation = 1;

  ConvTranspose2dOptions options() const { return {stride, padding, output_padding, groups, dilation}; }
};

class EightBits;

/// `weight` [out,in/groups,kh,kw], `bias` [out]. Parameters start as zeros: init::reset_parameters draws them.
class Conv2d : public Module {
 public:
  using Spec = ConvSpec;
  Conv2d(int64_t in_channels, int64_t out_channels, const ConvSpec& spec = {});
  Tensor forward(const Tensor& x) const;
  void draw_parameters(Generator& generator) override { init::kaiming_uniform(weight, bias, generator); }
  const ConvSpec& spec() const { return spec_; }
  /// forward(), of which a ConvObserver does not know: whoever calls it shows it the step that this is a part of.
  Tensor forward_unobserved(const Tensor& x) const;
  /// From now on it computes in 8 bits: nn/eight_bits.h. Null: in its input's precision.
  void set_eight_bits(std::shared_ptr<EightBits> eight_bits) { eight_bits_ = std::move(eight_bits); }
  EightBits* eight_bits() const { return eight_bits_.get(); }

 private:
  ConvSpec spec_;
  std::shared_ptr<EightBits> eight_bits_;

 public:
  const Tensor weight;
  const Tensor bias;  // undefined without one
};

/// `weight` [in,out/groups,kh,kw], `bias` [out].
class ConvTranspose2d : public Module {
 public:
  using Spec = ConvTransposeSpec;
  ConvTranspose2d(int64_t in_channels, int64_t out_channels, const ConvTransposeSpec& spec = {});
  Tensor forward(const Tensor& x) const;
  void draw_parameters(Generator& generator) override { init::kaiming_uniform(weight, bias, generator); }
  const ConvTransposeSpec& spec() const { return spec_; }

 private:
  ConvTransposeSpec spec_;

 public:
  const Tensor weight;
  const Tensor bias;
};

}  // namespace bevgrad
