#include "export/layers.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "models/blocks.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr uint8_t kSignedZero = 128;
constexpr double kLargestSum = 1 << 30;

double step_of(const ActivationRange& range) {
  return range.limit / (range.is_signed ? 127 : 255);
}

}  // namespace

OnnxLayers::OnnxLayers(OnnxGraph& graph, const Network& network, OnnxForm form)
    : graph_(&graph), network_(network), form_(std::move(form)) {
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

void OnnxLayers::switch_to(OnnxGraph& graph) {
  graph_ = &graph;
  rounded_.clear();
}

std::string OnnxLayers::narrow(const std::string& x) {
  return form_.precision == OnnxPrecision::Float16 ? graph_->cast(x, DType::Float16) : x;
}

std::string OnnxLayers::widen(const std::string& x) {
  return form_.precision == OnnxPrecision::Float16 ? graph_->cast(x, DType::Float32) : x;
}

std::string OnnxLayers::weight(const Tensor& value, const std::string& layer) {
  switch (form_.precision) {
    case OnnxPrecision::Float16: {
      const Tensor half = ops::to(value, DType::Float16);
      if (!ops::all_finite(ops::to(half, DType::Float32)))
        throw UsageError(fmt::format("export: {}: its weights do not fit float16", layer));
      return graph_->constant(half);
    }
    case OnnxPrecision::BFloat16:
      return graph_->cast(graph_->constant(ops::to(value, DType::BFloat16)), DType::Float32);
    default:
      return graph_->constant(ops::to(value, DType::Float32));
  }
}

const OnnxLayers::Rounded& OnnxLayers::rounded(const std::string& x, const ActivationRange& range) {
  if (const auto found = rounded_.find(x); found != rounded_.end()) return found->second;
  const Tensor zero = zeros({}, {form_.precision == OnnxPrecision::Int8Signed ? DType::Int8 : DType::UInt8});
  if (zero.dtype() == DType::UInt8 && range.is_signed) *zero.data<uint8_t>() = kSignedZero;
  const std::string step = graph_->constant(step_of(range)), zero_point = graph_->constant(zero);
  const std::string bytes = graph_->node("QuantizeLinear", {x, step, zero_point});
  const std::string result = graph_->node("DequantizeLinear", {bytes, step, zero_point});
  rounded_[result] = {result, step_of(range)};
  return rounded_[x] = rounded_[result];
}

const std::string& OnnxLayers::rounded_if_known(const std::string& x) const {
  const auto found = rounded_.find(x);
  return found == rounded_.end() ? x : found->second.value;
}

std::vector<std::string> OnnxLayers::integer_constants(const Tensor& weight, const Tensor& bias, double input_step) {
  const int64_t outputs = weight.size(0), each = weight.numel() / outputs;
  const Tensor integers = empty(weight.sizes(), {DType::Int8}), sums = empty({outputs}, {DType::Int32});
  const Tensor steps = empty({outputs}, {DType::Float32}), sum_steps = empty({outputs}, {DType::Float32});
  const auto* from = weight.data<const double>();
  auto* to = integers.data<int8_t>();
  for (int64_t o = 0; o < outputs; ++o, from += each, to += each) {
    double largest = 0;
    for (int64_t i = 0; i < each; ++i) largest = std::max(largest, std::abs(from[i]));
    // A channel whose weights are next to nothing beside its bias: steps in which the bias fits 32 bits.
    const double summand = bias.data<const double>()[o];
    const double finest = std::max(largest / 127, std::abs(summand) / (kLargestSum * input_step));
    const double step = finest > 0 ? finest : 1;
    for (int64_t i = 0; i < each; ++i) to[i] = static_cast<int8_t>(std::lround(from[i] / step));
    steps.data<float>()[o] = static_cast<float>(step);
    sum_steps.data<float>()[o] = static_cast<float>(step * input_step);
    sums.data<int32_t>()[o] = static_cast<int32_t>(std::lround(summand / (step * input_step)));
  }
  const std::vector<OnnxAttribute> first_axis = {{"axis", 0}};
  const std::string zeros_of_weights = graph_->constant(zeros({outputs}, {DType::Int8}));
  return {graph_->node("DequantizeLinear", {graph_->constant(integers), graph_->constant(steps), zeros_of_weights},
                       first_axis),
          graph_->node("DequantizeLinear", {graph_->constant(sums), graph_->constant(sum_steps)}, first_axis)};
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
  if (weight.size(1 - out_dim) * form.groups != x.channels)
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
  const auto known = form_.ranges.find(name);
  const bool integers = is_integer(form_.precision) && !form.transposed && known != form_.ranges.end();
  std::vector<std::string> inputs;
  if (integers) {
    const Rounded& input = rounded(x.value, known->second.input);
    inputs = integer_constants(ops::contiguous(weight, MemoryFormat::Contiguous), bias, input.step);
    inputs.insert(inputs.begin(), input.value);
  } else {
    inputs = {x.value, this->weight(weight, name), this->weight(bias, name)};
  }
  const auto padding = [&](int64_t size) {
    const int64_t all = form.same ? same_padding(size, kernel, form.stride) : 2 * form.padding;
    return std::pair{all / 2, all - all / 2};
  };
  const auto rows = padding(x.height), columns = padding(x.width);
  std::string y = graph_->node(form.transposed ? "ConvTranspose" : "Conv", inputs,
                               {{"kernel_shape", std::vector<int64_t>{kernel, kernel}},
                                {"strides", std::vector<int64_t>{form.stride, form.stride}},
                                {"pads", std::vector<int64_t>{rows.first, columns.first, rows.second, columns.second}},
                                {"group", form.groups}});
  if (!form.residual.empty()) {
    if (integers) y = rounded(y, known->second.before_sum).value;
    y = add(y, rounded_if_known(form.residual));
  }
  if (form.relu) y = relu(y);
  if (integers && !form.logits) y = rounded(y, known->second.output).value;
  const auto size = [&](int64_t n, const std::pair<int64_t, int64_t>& added) {
    const int64_t all = added.first + added.second;
    return form.transposed ? (n - 1) * form.stride - all + kernel : (n + all - kernel) / form.stride + 1;
  };
  return {y, outputs, size(x.height, rows), size(x.width, columns)};
}

OnnxMap OnnxLayers::shortcut(const OnnxMap& x, const std::string& name, int64_t stride) {
  if (!has(name + ".downsample.0.weight")) return x;
  return conv(x, name + ".downsample.0", {.stride = stride, .norm = name + ".downsample.1", .relu = false});
}

OnnxMap OnnxLayers::basic_block(const OnnxMap& x, const std::string& name, int64_t stride) {
  const OnnxMap beside = shortcut(x, name, stride);
  const OnnxMap y = conv(x, name + ".conv1", {.stride = stride, .padding = 1, .norm = name + ".bn1"});
  return conv(y, name + ".conv2", {.padding = 1, .norm = name + ".bn2", .residual = beside.value});
}

OnnxMap OnnxLayers::bottleneck(const OnnxMap& x, const std::string& name, int64_t stride) {
  const OnnxMap beside = shortcut(x, name, stride);
  OnnxMap y = conv(x, name + ".conv1", {.norm = name + ".bn1"});
  y = conv(y, name + ".conv2", {.stride = stride, .padding = 1, .norm = name + ".bn2"});
  return conv(y, name + ".conv3", {.norm = name + ".bn3", .residual = beside.value});
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
