#include "export/layers.h"

#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {

OnnxLayers::OnnxLayers(OnnxGraph& graph, const Network& network) : graph_(&graph), network_(network) {
  for (const auto& [name, tensor] : network.state_dict()) tensors_[name] = tensor;
}

void OnnxLayers::refuse(const std::string& name, const std::string& why) const {
  const Stage* stage = network_.stage_of(name);
  throw UsageError(fmt::format("export: {}: {}: what its part is in ONNX does not fit it",
                               stage == nullptr ? name : stage->name, why));
}

Tensor OnnxLayers::tensor(const std::string& name) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) refuse(name, "it has no " + name);
  taken_.insert(name);
  return found->second;
}

void OnnxLayers::check_all_taken() const {
  for (const auto& [name, tensor] : tensors_) {
    const bool counter = name.ends_with(".num_batches_tracked");
    if (!counter && !taken_.contains(name)) refuse(name, "nothing here knows its " + name);
  }
}

std::string OnnxLayers::reshape(const std::string& x, const std::vector<int64_t>& sizes) {
  return graph_->node("Reshape", {x, graph_->constant(sizes)});
}

FoldedNorm OnnxLayers::norm(const std::string& name, double eps) {
  const auto part = [&](const char* of) { return ops::to(tensor(name + of), DType::Float64); };
  return fold_batch_norm(part(".weight"), part(".bias"), part(".running_mean"), part(".running_var"), eps);
}

OnnxMap OnnxLayers::conv(const OnnxMap& x, const std::string& name, const ConvForm& form) {
  Tensor weight = ops::contiguous(ops::to(tensor(name + ".weight"), DType::Float64), MemoryFormat::Contiguous);
  const size_t out_dim = form.transposed ? 1 : 0;
  const int64_t outputs = weight.size(out_dim), kernel = weight.size(2);
  if (weight.size(1 - out_dim) != x.channels)
    refuse(name,
           fmt::format("{}.weight is {}, its input has {} channels", name, to_string(weight.sizes()), x.channels));
  Tensor bias =
      has(name + ".bias") ? ops::to(tensor(name + ".bias"), DType::Float64) : zeros({outputs}, {DType::Float64});
  if (!form.norm.empty()) {
    const FoldedNorm folded = norm(form.norm, form.eps);
    Shape factors(4, 1);
    factors[out_dim] = outputs;
    weight = ops::mul(weight, ops::reshape(folded.scale, factors));
    bias = ops::add(ops::mul(bias, folded.scale), folded.shift);
  }
  std::string y = graph_->node(
      form.transposed ? "ConvTranspose" : "Conv",
      {x.value, graph_->constant(ops::to(weight, DType::Float32)), graph_->constant(ops::to(bias, DType::Float32))},
      {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
       {"strides", std::vector<int64_t>{form.stride, form.stride}},
       {"pads", std::vector<int64_t>(4, form.padding)}});
  if (!form.residual.empty()) y = add(y, form.residual);
  if (form.relu) y = relu(y);
  const auto size = [&](int64_t n) {
    return form.transposed ? (n - 1) * form.stride - 2 * form.padding + kernel
                           : (n + 2 * form.padding - kernel) / form.stride + 1;
  };
  return {y, outputs, size(x.height), size(x.width)};
}

OnnxMap OnnxLayers::basic_block(const OnnxMap& x, const std::string& name, int64_t stride) {
  OnnxMap shortcut = x;
  if (has(name + ".downsample.0.weight"))
    shortcut = conv(x, name + ".downsample.0", {.stride = stride, .norm = name + ".downsample.1", .relu = false});
  const OnnxMap y = conv(x, name + ".conv1", {.stride = stride, .padding = 1, .norm = name + ".bn1"});
  return conv(y, name + ".conv2", {.padding = 1, .norm = name + ".bn2", .residual = shortcut.value});
}

OnnxMap OnnxLayers::enlarge(const OnnxMap& x, const std::string& mode) {
  const bool nearest = mode == "nearest";
  const std::string scales = graph_->constant(from_values({1, 1, 2, 2}, {4}));
  std::vector<OnnxAttribute> attributes = {
      {"mode", mode}, {"coordinate_transformation_mode", std::string(nearest ? "asymmetric" : "half_pixel")}};
  if (nearest) attributes.push_back({"nearest_mode", std::string("floor")});
  return {graph_->node("Resize", {x.value, "", scales}, attributes), x.channels, 2 * x.height, 2 * x.width};
}

}  // namespace bevgrad
