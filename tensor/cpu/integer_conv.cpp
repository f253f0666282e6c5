#include "tensor/integer_conv.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <mutex>

#include "cpu/onednn.h"
#include "cpu/weight_cache.h"
#include "tensor/launch.h"
#include "tensor/ops.h"
#include "tensor/profile.h"

namespace bevgrad {
namespace {

using cpu::activation_desc;
using dnnl::memory;

// The first number of a primitive's key: other users' begin with small ones.
constexpr int64_t kConvKey = 1000, kPoolKey = 1001;
constexpr int64_t kBlock = 4096;

int64_t bits(double value) {
  return std::bit_cast<int64_t>(value);
}

Tensor dense(const Tensor& x) {
  return ops::contiguous(x, MemoryFormat::ChannelsLast);
}

// Writes `count` numbers; false where one of them is not finite.
template <class T>
bool round_block(T* to, const float* from, int64_t count, float per_step, float least, float most) {
  // Adding 1.5 * 2^23 rounds to an integer, half to even, which then stands in the low bits.
  constexpr float kShift = 12582912.0f;
  int infinite = 0;
#pragma omp simd reduction(| : infinite)
  for (int64_t i = 0; i < count; ++i) {
    const float x = from[i];
    infinite |= !(std::abs(x) <= std::numeric_limits<float>::max());
    const float steps = std::min(std::max(x * per_step, least), most);
    to[i] = static_cast<T>(std::bit_cast<uint32_t>(steps + kShift));
  }
  return infinite == 0;
}

template <class T>
bool round_all(const Tensor& to, const Tensor& from, double step, float least, float most) {
  T* target = to.data<T>();
  const float* source = from.data<const float>();
  const int64_t count = from.numel(), blocks = (count + kBlock - 1) / kBlock;
  bool finite = true;
#pragma omp parallel for schedule(static) reduction(&& : finite) if (count >= kParallelGrain)
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = b * kBlock;
    finite = round_block(target + first, source + first, std::min(kBlock, count - first), static_cast<float>(1 / step),
                         least, most) &&
             finite;
  }
  return finite;
}

template <class T>
void widen_all(const Tensor& to, const Tensor& from, float step) {
  float* target = to.data<float>();
  const T* source = from.data<const T>();
  const int64_t count = from.numel();
#pragma omp parallel for simd schedule(static) if (parallel : count >= kParallelGrain)
  for (int64_t i = 0; i < count; ++i) target[i] = static_cast<float>(source[i]) * step;
}

void check_bytes(const ByteMap& x) {
  check(x.values.defined() && x.values.dim() == 4 && x.values.device().is_cpu() &&
            (x.values.dtype() == DType::UInt8 || x.values.dtype() == DType::Int8) && x.step > 0,
        "a feature map in 8 bits is uint8 or int8 [N,C,H,W] on the CPU with a step, this one is {} with {}",
        describe(x.values), x.step);
}

}  // namespace

double byte_step(double limit, bool is_signed) {
  return limit / (is_signed ? 127 : 255);
}

bool has_byte_products() {
  switch (dnnl::get_effective_cpu_isa()) {
    case dnnl::cpu_isa::avx512_core_vnni:
    case dnnl::cpu_isa::avx512_core_bf16:
    case dnnl::cpu_isa::avx512_core_amx:
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::all:
      return true;
    default:
      return false;
  }
}

ByteMap to_bytes(const Tensor& x, double limit, bool is_signed, std::string_view what) {
  check(x.dim() == 4 && x.device().is_cpu() && (x.dtype() == DType::Float32 || x.dtype() == DType::BFloat16),
        "to_bytes: {}, expected float32 or bfloat16 [N,C,H,W] on the CPU", describe(x));
  check(std::isfinite(limit) && limit > 0, "to_bytes: the range ends at {}, expected above 0", limit);
  const Tensor from = dense(ops::to(x, DType::Float32));
  const ByteMap result{empty(x.sizes(), {is_signed ? DType::Int8 : DType::UInt8, MemoryFormat::ChannelsLast}),
                       byte_step(limit, is_signed)};
  const bool finite = is_signed ? round_all<int8_t>(result.values, from, result.step, -127, 127)
                                : round_all<uint8_t>(result.values, from, result.step, 0, 255);
  check(finite, "{} is not finite: the weights or the input hold NaN or are far too large", what);
  return result;
}

Tensor from_bytes(const ByteMap& x) {
  check_bytes(x);
  const Tensor bytes = dense(x.values), result = empty(bytes.sizes(), {DType::Float32, MemoryFormat::ChannelsLast});
  const auto step = static_cast<float>(x.step);
  bytes.dtype() == DType::Int8 ? widen_all<int8_t>(result, bytes, step) : widen_all<uint8_t>(result, bytes, step);
  return result;
}

ByteMap max_pool2d(const ByteMap& x, Pair kernel, Pair stride, Pair padding) {
  check_bytes(x);
  const Tensor from = dense(x.values);
  const auto size = [&](int dim, int k, int s, int p) {
    check(k > 0 && s > 0 && p >= 0 && 2 * p <= k && from.size(dim) + 2 * p >= k,
          "max_pool2d: windows of {} every {} with padding {} do not fit {}", k, s, p, describe(from));
    return conv_size(from.size(dim), k, s, p, 1);
  };
  const Shape sizes = {from.size(0), from.size(1), size(2, kernel.h, stride.h, padding.h),
                       size(3, kernel.w, stride.w, padding.w)};
  const ByteMap result{empty(sizes, {from.dtype(), MemoryFormat::ChannelsLast}), x.step};
  if (result.values.numel() == 0) return result;
  const memory::dims k = {kernel.h, kernel.w}, s = {stride.h, stride.w}, p = {padding.h, padding.w}, d = {0, 0};
  const auto pool = cpu::primitive_cache().find(
      {kPoolKey, from.size(0), from.size(1), from.size(2), from.size(3), kernel.h, kernel.w, stride.h, stride.w,
       padding.h, padding.w, static_cast<int64_t>(from.dtype())},
      [&] {
        const dnnl::pooling_v2_forward::primitive_desc description(
            {dnnl::prop_kind::forward_inference, dnnl::algorithm::pooling_max, activation_desc(from),
             activation_desc(result.values), s, k, d, p, p},
            cpu::user_scratchpad(), cpu::engine());
        return cpu::Primitive{true, dnnl::pooling_v2_forward(description), {}, description.scratchpad_desc()};
      });
  check(pool->usable, "max_pool2d: oneDNN has no kernel for {}", describe(from));
  cpu::execute(*pool, {{DNNL_ARG_SRC, cpu::wrap(activation_desc(from), from)},
                       {DNNL_ARG_DST, cpu::wrap(activation_desc(result.values), result.values)}});
  return result;
}

struct IntegerConv::Impl {
  Tensor weight;             // int8 [K,C/groups,kh,kw]
  std::vector<float> steps;  // of each output channel
  Tensor bias;               // float32 [K]
  ConvOptions options;
  int64_t id = 0;  // no other has it

  // In the layouts that primitives like best.
  std::mutex mutex;
  std::vector<std::pair<memory::desc, Tensor>> prepared;

  Shape output_sizes(const Tensor& x) const;
  Tensor weight_as(const memory::desc& wanted);
  /// y holds the residual, in steps of its own, or nothing where `residual_step` is 0.
  void run(const Tensor& y, double y_step, const ByteMap& x, double residual_step, DType residual_type, bool relu);
};

IntegerConv::IntegerConv(const Tensor& weight, const Tensor& bias, const ConvOptions& options)
    : impl_(std::make_unique<Impl>()) {
  check(weight.dim() == 4 && weight.dtype() == DType::Float32 && weight.device().is_cpu() && weight.numel() > 0,
        "IntegerConv: weight {}, expected float32 [K,C/groups,kh,kw] on the CPU", describe(weight));
  const int64_t outputs = weight.size(0);
  check(!bias.defined() || (bias.sizes() == Shape{outputs} && bias.dtype() == DType::Float32),
        "IntegerConv: bias {}, expected float32 [{}]", describe(bias), outputs);
  static std::atomic<int64_t> next_id = 0;
  impl_->id = next_id++;
  impl_->options = options;
  impl_->bias = bias.defined() ? ops::contiguous(bias) : zeros({outputs});
  impl_->weight = empty(weight.sizes(), {DType::Int8});
  const Tensor values = ops::contiguous(weight);
  const int64_t each = values.numel() / outputs;
  const float* from = values.data<const float>();
  auto* to = impl_->weight.data<int8_t>();
  for (int64_t k = 0; k < outputs; ++k, from += each, to += each) {
    float largest = 0;
    for (int64_t i = 0; i < each; ++i) {
      check(std::isfinite(from[i]), "IntegerConv: the weight is not finite");
      largest = std::max(largest, std::abs(from[i]));
    }
    // A channel whose weights are next to nothing: what they add to its bias is, too.
    const float step = std::max(largest / 127, 1e-30f);
    for (int64_t i = 0; i < each; ++i) to[i] = static_cast<int8_t>(std::lround(from[i] / step));
    impl_->steps.push_back(step);
  }
}

IntegerConv::~IntegerConv() = default;

Shape IntegerConv::Impl::output_sizes(const Tensor& x) const {
  check(x.size(1) == weight.size(1) * options.groups, "IntegerConv: input {} and weight {} with {} groups", describe(x),
        to_string(weight.sizes()), options.groups);
  const auto size = [&](int dim, int stride, int padding, int dilation) {
    const int64_t outputs = conv_size(x.size(dim), weight.size(dim), stride, padding, dilation);
    check(outputs > 0, "IntegerConv: the kernel of weight {} is larger than input {}", to_string(weight.sizes()),
          describe(x));
    return outputs;
  };
  return {x.size(0), weight.size(0), size(2, options.stride.h, options.padding.h, options.dilation.h),
          size(3, options.stride.w, options.padding.w, options.dilation.w)};
}

Tensor IntegerConv::Impl::weight_as(const memory::desc& wanted) {
  const std::lock_guard lock(mutex);
  for (const auto& [desc, tensor] : prepared)
    if (desc == wanted) return tensor;
  using tag = memory::format_tag;
  const memory::desc plain(cpu::weight_dims(weight, options.groups), memory::data_type::s8,
                           options.groups == 1 ? tag::oihw : tag::goihw);
  Tensor result = cpu::allocate_for(wanted);
  cpu::reorder(cpu::wrap(plain, weight), cpu::wrap(wanted, result));
  prepared.emplace_back(wanted, result);
  return result;
}

void IntegerConv::Impl::run(const Tensor& y, double y_step, const ByteMap& x, double residual_step, DType residual_type,
                            bool relu) {
  if (y.numel() == 0) return;
  const Tensor from = dense(x.values);
  const memory::desc bias_desc({weight.size(0)}, memory::data_type::f32, memory::format_tag::x);
  const auto conv = cpu::primitive_cache().find(
      {kConvKey, id, from.size(0), from.size(2), from.size(3), static_cast<int64_t>(from.dtype()),
       static_cast<int64_t>(y.dtype()), static_cast<int64_t>(residual_type), bits(x.step), bits(y_step),
       bits(residual_step), relu},
      [&] {
        dnnl::primitive_attr attributes = cpu::user_scratchpad();
        std::vector<float> scales;
        for (const float step : steps)
          scales.push_back(static_cast<float>(x.step * static_cast<double>(step) / y_step));
        attributes.set_output_scales(2, scales);
        dnnl::post_ops post;
        if (residual_step > 0)
          post.append_sum(static_cast<float>(residual_step / y_step), 0, cpu::data_type(residual_type));
        if (relu) post.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
        attributes.set_post_ops(post);
        const memory::desc any(cpu::weight_dims(weight, options.groups), memory::data_type::s8,
                               memory::format_tag::any);
        const memory::dims strides = {options.stride.h, options.stride.w},
                           gaps = {options.dilation.h - 1, options.dilation.w - 1},
                           padding = {options.padding.h, options.padding.w};
        const dnnl::convolution_forward::primitive_desc description(
            {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, activation_desc(from), any,
             bias_desc, activation_desc(y), strides, gaps, padding, padding},
            attributes, cpu::engine());
        return cpu::Primitive{true, dnnl::convolution_forward(description), description.weights_desc(),
                              description.scratchpad_desc()};
      });
  check(conv->usable, "IntegerConv: oneDNN has no kernel for {} and weight {}", describe(from),
        to_string(weight.sizes()));
  // What is added to the sums of products, in their steps.
  const Tensor summand = empty({weight.size(0)});
  for (int64_t k = 0; k < weight.size(0); ++k)
    summand.data<float>()[k] = static_cast<float>(static_cast<double>(bias.data<const float>()[k]) /
                                                  (x.step * static_cast<double>(steps[static_cast<size_t>(k)])));
  const profile::KernelScope timed(
      "integer conv", from.nbytes() + y.nbytes() + weight.nbytes(),
      2.0 * static_cast<double>(y.numel()) * static_cast<double>(weight.numel() / weight.size(0)));
  cpu::execute(*conv, {{DNNL_ARG_SRC, cpu::wrap(activation_desc(from), from)},
                       {DNNL_ARG_WEIGHTS, cpu::wrap(conv->weight, weight_as(conv->weight))},
                       {DNNL_ARG_BIAS, cpu::wrap(bias_desc, summand)},
                       {DNNL_ARG_DST, cpu::wrap(activation_desc(y), y)}});
}

Tensor IntegerConv::forward(const ByteMap& x, const Tensor& residual, bool relu) const {
  check_bytes(x);
  const Shape sizes = impl_->output_sizes(x.values);
  check(!residual.defined() || residual.sizes() == sizes, "IntegerConv: residual {}, the output is {}",
        describe(residual), to_string(sizes));
  const Tensor y = empty(sizes, {DType::Float32, MemoryFormat::ChannelsLast});
  if (residual.defined()) ops::copy_(y, residual);
  impl_->run(y, 1, x, residual.defined() ? 1 : 0, DType::Float32, relu);
  return y;
}

ByteMap IntegerConv::forward(const ByteMap& x, const ByteMap& residual, bool relu, double limit, bool is_signed) const {
  check_bytes(x);
  const Shape sizes = impl_->output_sizes(x.values);
  const ByteMap y{empty(sizes, {is_signed ? DType::Int8 : DType::UInt8, MemoryFormat::ChannelsLast}),
                  byte_step(limit, is_signed)};
  const bool adds = residual.values.defined();
  if (adds) {
    check_bytes(residual);
    check(residual.values.sizes() == sizes, "IntegerConv: residual {}, the output is {}", describe(residual.values),
          to_string(sizes));
    const Tensor from = dense(residual.values);
    std::copy_n(static_cast<const uint8_t*>(from.const_raw_data()), from.nbytes(),
                static_cast<uint8_t*>(y.values.raw_data()));
  }
  impl_->run(y.values, y.step, x, adds ? residual.step : 0, adds ? residual.values.dtype() : y.values.dtype(), relu);
  return y;
}

}  // namespace bevgrad
