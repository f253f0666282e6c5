// Normalisations.
#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

Tensor float_as(const Tensor& parameter, const Tensor& x) {
  const DType wanted = x.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  return parameter.defined() ? to(parameter, wanted) : parameter;
}

Outputs batch_norm_of(const Node& n) {
  const bool training = n.integer("training_mode", 0) != 0;
  const double momentum = n.number("momentum", 0.9);
  const Tensor mean = clone(float_as(n[3], n[0])), var = clone(float_as(n[4], n[0]));
  // Of all places of a channel, whatever the rank.
  const Tensor& x = n[0];
  const Shape rows{x.size(0), x.size(1), x.dim() > 2 ? -1 : 1, 1};
  BatchNormOptions options;
  options.training = training;
  options.momentum = 1 - momentum;
  options.eps = n.number("epsilon", 1e-5);
  const Tensor y =
      reshape(batch_norm(reshape(x, rows), float_as(n[1], x), float_as(n[2], x), mean, var, options), x.sizes());
  if (!training) return {y};
  // Ours takes the unbiased variance for the running one, as PyTorch does; theirs the biased one.
  const auto count = static_cast<double>(x.numel() / x.size(1));
  const Tensor old = float_as(n[4], x) * momentum;
  return {y, mean, old + (var - old) * ((count - 1) / count)};
}

/// Dimensions from `axis` on.
Shape tail(const Tensor& x, int64_t axis) {
  return {x.sizes().begin() + wrapped(axis, x.dim()), x.sizes().end()};
}

Outputs layer_norm_of(const Node& n) {
  const Tensor& x = n[0];
  const int64_t axis = n.integer("axis", -1);
  const double eps = n.number("epsilon", 1e-5);
  std::vector<int> dims;
  for (int d = wrapped(axis, x.dim()); d < x.dim(); ++d) dims.push_back(d);
  const Shape sizes = tail(x, axis);
  const auto parameter = [&](size_t input) { return n.has(input) ? expand(n[input], sizes) : Tensor(); };
  const Tensor y = layer_norm(x, sizes, parameter(1), parameter(2), eps);
  if (n.outputs() == 1) return {y};
  return {y, mean(x, dims, true), rsqrt(var(x, dims, 0, true) + eps)};
}

Outputs rms_norm_of(const Node& n) {
  const Shape sizes = tail(n[0], n.integer("axis", -1));
  return {rms_norm(n[0], sizes, expand(n[1], sizes), n.number("epsilon", 1e-5))};
}

Outputs group_norm_of(const Node& n) {
  const int64_t groups = n.integer("num_groups", 1), channels = n[0].size(1);
  // In version 18 a scale and a bias for each group.
  const auto parameter = [&](const Tensor& given) {
    return given.numel() == channels ? given
                                     : reshape(expand(unsqueeze(given, 1), {groups, channels / groups}), {channels});
  };
  return {group_norm(n[0], groups, parameter(n[1]), parameter(n[2]), n.number("epsilon", 1e-5))};
}

Outputs mean_variance(const Node& n) {
  const std::vector<int> axes = wrapped(n.integers("axes", {0, 2, 3}), n[0].dim());
  return {(n[0] - mean(n[0], axes, true)) / (std(n[0], axes, 0, true) + 1e-9)};
}

Outputs lp_normalized(const Node& n) {
  const int axis = wrapped(n.integer("axis", -1), n[0].dim());
  const Tensor length = norm(n[0], static_cast<double>(n.integer("p", 2)), {axis}, true);
  return {n[0] / where(eq(length, 0.0), ones_like(length), length)};
}

Outputs local_response(const Node& n) {
  // The mean over `size` channels around each, as a mean pool down a map whose rows are the channels.
  const Tensor& x = n[0];
  const auto size = static_cast<int>(n.integer("size", 1));
  const Tensor rows = reshape(x * x, {x.size(0), 1, x.size(1), -1});
  const Tensor around = pad(rows, {0, 0, (size - 1) / 2, size / 2});
  const Tensor means = reshape(avg_pool2d(around, {Pair(size, 1), Pair(1, 1), Pair(0, 0), false, true, {}}), x.sizes());
  return {x / pow(means * n.number("alpha", 1e-4) + n.number("bias", 1), n.number("beta", 0.75))};
}

}  // namespace

void add_norms(Operators& all) {
  all["BatchNormalization"] = batch_norm_of;
  all["LayerNormalization"] = layer_norm_of;
  all["RMSNormalization"] = rms_norm_of;
  all["GroupNormalization"] = group_norm_of;
  all["InstanceNormalization"] = [](const Node& n) -> Outputs {
    return {instance_norm(n[0], n[1], n[2], n.number("epsilon", 1e-5))};
  };
  all["MeanVarianceNormalization"] = mean_variance;
  all["LpNormalization"] = lp_normalized;
  all["LRN"] = local_response;
}

}  // namespace bevgrad::testing::onnx_nodes
