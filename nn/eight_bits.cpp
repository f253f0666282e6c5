#include "nn/eight_bits.h"

#include <cmath>

#include "autograd/autocast.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "nn/byte_maps.h"
#include "nn/fake_quantize.h"
#include "nn/module_call.h"

namespace bevgrad {
namespace {

Tensor rounded_in_floating_point(const Conv2d& conv, BatchNorm* bn, const Tensor& x, const NormFusion& fusion,
                                 const ConvRanges& ranges) {
  Conv2dOptions options = conv.spec().options();
  options.relu = false;
  const Tensor input = fake_quantize(to(without_bytes(x), DType::Float32), ranges.input);
  Tensor y = module_call(conv, [&] { return conv2d(input, fake_quantize_weight(conv.weight), conv.bias, options); });
  const Tensor residual = fusion.residual.defined() ? without_bytes(fusion.residual) : Tensor();
  if (bn != nullptr) {
    y = bn->forward(y, {.residual = residual, .relu = fusion.relu});
  } else {
    if (residual.defined()) y = add(y, to(residual, y.dtype()));
    if (fusion.relu) y = relu(y);
  }
  return fusion.only_convolved ? fake_quantize(y, ranges.output) : y;
}

}  // namespace

EightBits::EightBits(std::string name, const ConvRanges& ranges) : name_(std::move(name)), ranges_(ranges) {
  for (const ActivationRange& range : {ranges.input, ranges.output})
    check(std::isfinite(range.limit) && range.limit > 0, "{}: a range of 8 bits ends at {}, expected above 0", name_,
          range.limit);
}

EightBits::~EightBits() = default;

const IntegerConv& EightBits::prepared(const Conv2d& conv, BatchNorm* bn) {
  std::vector<uint64_t> versions = {conv.weight.storage()->version};
  if (conv.bias.defined()) versions.push_back(conv.bias.storage()->version);
  if (bn != nullptr)
    for (const Tensor* tensor : {&bn->weight, &bn->bias, &bn->running_mean, &bn->running_var})
      versions.push_back(tensor->storage()->version);
  if (conv_ && versions == versions_) return *conv_;
  const NoGradGuard no_grad;
  Tensor weight = conv.weight, bias = conv.bias;
  if (bn != nullptr) {
    const FoldedNorm& norm = bn->folded(conv.bias);
    weight = ops::mul(weight, ops::reshape(norm.scale, {weight.size(0), 1, 1, 1}));
    bias = norm.shift;
  }
  check(ops::all_finite(weight) && (!bias.defined() || ops::all_finite(bias)),
        "{}: its weights or its norm are not finite", name_);
  const Conv2dOptions options = conv.spec().options();
  conv_ = std::make_unique<IntegerConv>(
      weight, bias, ConvOptions{options.stride, options.padding, false, options.dilation, options.groups});
  versions_ = std::move(versions);
  return *conv_;
}

Tensor EightBits::forward(const Conv2d& conv, BatchNorm* bn, const Tensor& x, const NormFusion& fusion) {
  std::vector<Tensor> inputs = {x, conv.weight, conv.bias, fusion.residual};
  if (bn != nullptr) inputs.insert(inputs.end(), {bn->weight, bn->bias});
  const bool is_watched = conv.has_hooks() || (bn != nullptr && bn->has_hooks());
  const bool takes_batch = bn != nullptr && bn->uses_batch_statistics();
  if (will_record(inputs) || takes_batch || is_watched || !x.device().is_cpu() || !has_byte_products())
    return rounded_in_floating_point(conv, bn, x, fusion, ranges_);
  const ModuleScope scope(conv);
  const IntegerConv& integers = prepared(conv, bn);
  const std::optional<ByteMap> carried = byte_map(x);
  const ByteMap input =
      carried ? *carried : to_bytes(x, ranges_.input.limit, ranges_.input.is_signed, "the input of " + name_);
  const std::optional<ByteMap> residual = byte_map(fusion.residual);
  const auto [limit, is_signed] = ranges_.output;
  if (!fusion.only_convolved || (fusion.residual.defined() && !residual)) {
    const Tensor y = integers.forward(input, without_bytes(fusion.residual), fusion.relu);
    if (fusion.only_convolved) return with_step(to_bytes(y, limit, is_signed, "the output of " + name_));
    return ops::to(y, compute_dtype(y));
  }
  return with_step(integers.forward(input, residual.value_or(ByteMap()), fusion.relu, limit, is_signed));
}

}  // namespace bevgrad
