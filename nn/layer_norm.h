// Normalisation layers that look at one sample at a time, with PyTorch's parameter names.
#pragma once
#include "autograd/functions/layer_norm.h"
#include "nn/init.h"
#include "nn/module.h"
#include "nn/module_call.h"

namespace bevgrad {

/// `weight` (ones) and `bias` (zeros, or none) of `normalized_shape`: the last dimensions of the input.
class LayerNorm : public Module {
 public:
  explicit LayerNorm(const Shape& normalized_shape, double eps = 1e-5, bool with_bias = true)
      : weight(register_parameter("weight", ones(normalized_shape))),
        bias(with_bias ? register_parameter("bias", zeros(normalized_shape)) : Tensor()),
        eps_(eps) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] { return layer_norm(x, weight.sizes(), weight, bias, eps_); });
  }
  void draw_parameters(Generator&) override {
    init::constant(weight, 1);
    if (bias.defined()) init::constant(bias, 0);
  }

  const Tensor weight, bias;

 private:
  double eps_;
};

/// `weight` (ones) and `bias` (zeros) [channels]; x is [N,channels,..].
class GroupNorm : public Module {
 public:
  GroupNorm(int64_t groups, int64_t channels, double eps = 1e-5)
      : weight(register_parameter("weight", ones({channels}))),
        bias(register_parameter("bias", zeros({channels}))),
        groups_(groups),
        eps_(eps) {
    check(groups >= 1 && channels % groups == 0, "GroupNorm: {} channels are no multiple of {} groups", channels,
          groups);
  }
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] { return group_norm(x, groups_, weight, bias, eps_); });
  }
  void draw_parameters(Generator&) override {
    init::constant(weight, 1);
    init::constant(bias, 0);
  }

  const Tensor weight, bias;

 private:
  int64_t groups_;
  double eps_;
};

/// `weight` (ones) and `bias` (zeros) [channels] if affine (PyTorch's default is not); x is [N,channels,..], each
/// sample normalised by its own statistics, in training and in evaluation.
class InstanceNorm : public Module {
 public:
  explicit InstanceNorm(int64_t channels, double eps = 1e-5, bool affine = false)
      : weight(affine ? register_parameter("weight", ones({channels})) : Tensor()),
        bias(affine ? register_parameter("bias", zeros({channels})) : Tensor()),
        channels_(channels),
        eps_(eps) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] {
      check(x.dim() >= 3 && x.size(1) == channels_, "InstanceNorm: input {}, expected [N,{},..]", to_string(x.sizes()),
            channels_);
      return instance_norm(x, weight, bias, eps_);
    });
  }
  void draw_parameters(Generator&) override {
    if (weight.defined()) init::constant(weight, 1);
    if (bias.defined()) init::constant(bias, 0);
  }

  const Tensor weight, bias;

 private:
  int64_t channels_;
  double eps_;
};

/// `weight` (ones) of `normalized_shape`: the last dimensions of the input.
class RMSNorm : public Module {
 public:
  explicit RMSNorm(const Shape& normalized_shape, std::optional<double> eps = {})
      : weight(register_parameter("weight", ones(normalized_shape))), eps_(eps) {}
  Tensor forward(const Tensor& x) const {
    return module_call(*this, [&] { return rms_norm(x, weight.sizes(), weight, eps_); });
  }
  void draw_parameters(Generator&) override { init::constant(weight, 1); }

  const Tensor weight;

 private:
  std::optional<double> eps_;
};

}  // namespace bevgrad
