// Convolution layers, with PyTorch's parameter names.
#pragma once
#include "autograd/functions/conv.h"
#include "autograd/functions/conv_transpose.h"
#include "nn/module.h"

namespace bevgrad {

struct ConvSpec {
  int kernel = 1;
  int stride = 1;
  int padding = 0;
  bool bias = true;
  /// relu of the result; NaN stays NaN.
  bool relu = false;
};

/// `weight` [out,in,kernel,kernel], `bias` [out]. Parameters start as zeros: init::reset_parameters draws them.
class Conv2d : public Module {
 public:
  Conv2d(int64_t in_channels, int64_t out_channels, const ConvSpec& spec = {});
  Tensor forward(const Tensor& x) const;
  const ConvSpec& spec() const { return spec_; }

 private:
  ConvSpec spec_;

 public:
  const Tensor weight;
  const Tensor bias;  // undefined without one
};

/// `weight` [in,out,kernel,kernel], `bias` [out].
class ConvTranspose2d : public Module {
 public:
  ConvTranspose2d(int64_t in_channels, int64_t out_channels, const ConvSpec& spec = {});
  Tensor forward(const Tensor& x) const;
  const ConvSpec& spec() const { return spec_; }

 private:
  ConvSpec spec_;

 public:
  const Tensor weight;
  const Tensor bias;
};

}  // namespace bevgrad
