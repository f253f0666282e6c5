// Convolution layers of one and three dimensions, with PyTorch's parameter names.
#pragma once
#include <algorithm>

#include "autograd/functions/conv_nd.h"
#include "nn/init.h"
#include "nn/module.h"
#include "nn/module_call.h"

namespace bevgrad {

/// What the layers below have in common: `weight` and `bias` [out] or none, drawn as Conv2d's. Parameters start as
/// zeros.
class ConvNd : public Module {
 public:
  void draw_parameters(Generator& generator) override { init::kaiming_uniform(weight, bias, generator); }

 protected:
  ConvNd(const char* layer, int64_t in, int64_t out, int groups, const Shape& weight_sizes, bool with_bias)
      : weight(register_parameter("weight", zeros(weight_sizes))),
        bias(with_bias ? register_parameter("bias", zeros({out})) : Tensor()) {
    check(groups >= 1 && in % groups == 0 && out % groups == 0, "{}: {} and {} channels are no multiples of {} groups",
          layer, in, out, groups);
  }

 public:
  const Tensor weight;
  const Tensor bias;
};

struct Conv1dSpec {
  int kernel = 1, stride = 1, padding = 0, dilation = 1, groups = 1;
  bool bias = true;
};
/// `weight` [out,in/groups,k]; x [N,in,L].
class Conv1d : public ConvNd {
 public:
  Conv1d(int64_t in, int64_t out, const Conv1dSpec& spec = {})
      : ConvNd("Conv1d", in, out, spec.groups, {out, in / std::max(spec.groups, 1), spec.kernel}, spec.bias),
        spec_(spec) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] {
      return conv1d(x, weight, bias, {spec_.stride, spec_.padding, spec_.dilation, spec_.groups});
    });
  }

 private:
  Conv1dSpec spec_;
};

struct Conv3dSpec {
  Triple kernel = 1, stride = 1, padding = 0, dilation = 1;
  int groups = 1;
  bool bias = true;
};
/// `weight` [out,in/groups,kd,kh,kw]; x [N,in,D,H,W].
class Conv3d : public ConvNd {
 public:
  Conv3d(int64_t in, int64_t out, const Conv3dSpec& spec = {})
      : ConvNd("Conv3d", in, out, spec.groups,
               {out, in / std::max(spec.groups, 1), spec.kernel.d, spec.kernel.h, spec.kernel.w}, spec.bias),
        spec_(spec) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] {
      return conv3d(x, weight, bias, {spec_.stride, spec_.padding, spec_.dilation, spec_.groups});
    });
  }

 private:
  Conv3dSpec spec_;
};

struct ConvTranspose1dSpec {
  int kernel = 1, stride = 1, padding = 0, output_padding = 0, groups = 1;
  bool bias = true;
  int dilation = 1;
};
/// `weight` [in,out/groups,k]; x [N,in,L].
class ConvTranspose1d : public ConvNd {
 public:
  ConvTranspose1d(int64_t in, int64_t out, const ConvTranspose1dSpec& spec = {})
      : ConvNd("ConvTranspose1d", in, out, spec.groups, {in, out / std::max(spec.groups, 1), spec.kernel}, spec.bias),
        spec_(spec) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] {
      return conv_transpose1d(x, weight, bias,
                              {spec_.stride, spec_.padding, spec_.output_padding, spec_.groups, spec_.dilation});
    });
  }

 private:
  ConvTranspose1dSpec spec_;
};

struct ConvTranspose3dSpec {
  Triple kernel = 1, stride = 1, padding = 0, output_padding = 0;
  int groups = 1;
  bool bias = true;
  Triple dilation = 1;
};
/// `weight` [in,out/groups,kd,kh,kw]; x [N,in,D,H,W].
class ConvTranspose3d : public ConvNd {
 public:
  ConvTranspose3d(int64_t in, int64_t out, const ConvTranspose3dSpec& spec = {})
      : ConvNd("ConvTranspose3d", in, out, spec.groups,
               {in, out / std::max(spec.groups, 1), spec.kernel.d, spec.kernel.h, spec.kernel.w}, spec.bias),
        spec_(spec) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] {
      return conv_transpose3d(x, weight, bias,
                              {spec_.stride, spec_.padding, spec_.output_padding, spec_.groups, spec_.dilation});
    });
  }

 private:
  ConvTranspose3dSpec spec_;
};

}  // namespace bevgrad
