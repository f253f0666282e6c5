// Convolution through oneDNN: activations stay channels-last, weights are brought into the layout that the primitive
// likes best. float64 and shapes that oneDNN refuses go to the loops. A processor without bfloat16 instructions for
// oneDNN (avx512_core) computes bfloat16 convolutions in float32 and rounds the result.
#include "cpu/backend.h"
#include "cpu/conv_loops.h"
#include "cpu/weight_cache.h"
#include "cpu/winograd.h"
#include "cpu/winograd_weight_gradient.h"
#include "tensor/ops.h"

namespace bevgrad::cpu {
namespace {

using dnnl::memory;

enum class Pass : int64_t { Forward, BackwardInput, BackwardWeight };

struct Geometry {
  memory::desc x, y;
  memory::dims strides, dilation, padding;  // oneDNN's dilation is the gap between entries
};

Geometry geometry(const Tensor& x, const Tensor& y, ConvOptions options) {
  return {activation_desc(x),
          activation_desc(y),
          {options.stride.h, options.stride.w},
          {options.dilation.h - 1, options.dilation.w - 1},
          {options.padding.h, options.padding.w}};
}

PrimitiveKey key(Pass pass, const Tensor& x, const Tensor& y, const Tensor& weight, ConvOptions options,
                 int64_t epilogue) {
  return {static_cast<int64_t>(pass),
          x.size(0),
          x.size(1),
          x.size(2),
          x.size(3),
          weight.size(0),
          weight.size(2),
          weight.size(3),
          options.stride.h,
          options.stride.w,
          options.padding.h,
          options.padding.w,
          options.dilation.h,
          options.dilation.w,
          options.groups,
          static_cast<int64_t>(x.dtype()) * 16 + static_cast<int64_t>(y.dtype()),
          epilogue};
}

dnnl::convolution_forward::primitive_desc forward_hint(const Geometry& g, const memory::desc& weight) {
  return {{dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, g.x, weight, g.y, g.strides,
           g.dilation, g.padding, g.padding},
          engine()};
}

// The ReLU is a pass of its own: oneDNN's takes the maximum of NaN and 0 for 0. A float32 residual is added in that
// pass too, which is faster than either way into the primitive (2 to 18 % of the layer, measured with 64 to 2048
// channels); what the pass costs other layers (1 to 8 %) is about as much, over a ResNet.
//
// A bfloat16 residual must be added before the result is rounded, so it goes into the primitive, in one of two ways. As
// a sum with what the output already holds it costs a copy, but keeps oneDNN's faster kernel (brgconv); as a binary
// operand it costs no copy, but a slower kernel. Measured, the copy pays from about this many products an output
// element on.
constexpr int64_t kSumPays = 1024;

bool adds_within(const Tensor& y, const ConvEpilogue& epilogue) {
  return epilogue.residual.defined() && y.dtype() == DType::BFloat16;
}

bool adds_by_sum(const Tensor& weight) {
  return weight.numel() / weight.size(0) >= kSumPays;
}

Primitive make_forward(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                       ConvOptions options) {
  const Geometry g = geometry(x, y, options);
  dnnl::primitive_attr attributes = user_scratchpad();
  dnnl::post_ops post;
  if (adds_within(y, epilogue)) {
    if (adds_by_sum(weight)) {
      post.append_sum(1.0f);
    } else {
      post.append_binary(dnnl::algorithm::binary_add, g.y);
    }
  }
  attributes.set_post_ops(post);
  const memory::desc w = any_weight_desc(weight, data_type(x.dtype()), options.groups);
  memory::desc bias;
  if (epilogue.shift.defined()) bias = {{weight.size(0)}, memory::data_type::f32, memory::format_tag::x};
  const dnnl::convolution_forward::primitive_desc description(
      {dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, g.x, w, bias, g.y, g.strides,
       g.dilation, g.padding, g.padding},
      attributes, engine());
  return {true, dnnl::convolution_forward(description), description.weights_desc(), description.scratchpad_desc()};
}

Primitive make_backward_input(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  const Geometry g = geometry(dx, dy, options);
  const memory::desc w = any_weight_desc(weight, data_type(dy.dtype()), options.groups);
  Geometry hint = g;
  hint.x = activation_desc(dx).data.data_type == g.y.data.data_type
               ? g.x
               : memory::desc(dx.sizes(), data_type(dy.dtype()), memory::format_tag::nhwc);
  const dnnl::convolution_backward_data::primitive_desc description(
      {dnnl::algorithm::convolution_direct, g.x, w, g.y, g.strides, g.dilation, g.padding, g.padding},
      user_scratchpad(), engine(), forward_hint(hint, w));
  return {true, dnnl::convolution_backward_data(description), description.weights_desc(),
          description.scratchpad_desc()};
}

Primitive make_backward_weight(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  const Geometry g = geometry(x, dy, options);
  const dnnl::convolution_backward_weights::primitive_desc description(
      {dnnl::algorithm::convolution_direct, g.x, any_weight_desc(dweight, memory::data_type::f32, options.groups), g.y,
       g.strides, g.dilation, g.padding, g.padding},
      user_scratchpad(), engine(), forward_hint(g, any_weight_desc(dweight, data_type(x.dtype()), options.groups)));
  return {true, dnnl::convolution_backward_weights(description), description.diff_weights_desc(),
          description.scratchpad_desc()};
}

// What a refused bfloat16 convolution does: the same in float32.
Tensor widened(const Tensor& x) {
  return x.defined() ? ops::to(x, DType::Float32) : Tensor();
}

template <class P>
const P* pointer(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<P>() : nullptr;
}

bool forward_by_onednn(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                       ConvOptions options) {
  const bool within = adds_within(y, epilogue);
  const int64_t kind = epilogue.shift.defined() + 2 * within;
  const auto conv = primitive_cache().find(key(Pass::Forward, x, y, weight, options, kind),
                                           [&] { return make_forward(y, x, weight, epilogue, options); });
  if (!conv->usable) return false;
  const Tensor prepared = prepare_weight(weight, epilogue.scale, conv->weight, options.keep_weight);
  std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, wrap(activation_desc(x), x)},
                                            {DNNL_ARG_WEIGHTS, wrap(conv->weight, prepared)},
                                            {DNNL_ARG_DST, wrap(activation_desc(y), y)}};
  if (epilogue.shift.defined()) {
    const memory::desc bias({weight.size(0)}, memory::data_type::f32, memory::format_tag::x);
    arguments.emplace(DNNL_ARG_BIAS, wrap(bias, epilogue.shift));
  }
  if (within) {
    if (adds_by_sum(weight)) {
      ops::copy_(y, epilogue.residual);
    } else {
      arguments.emplace(DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1,
                        wrap(activation_desc(y), epilogue.residual));
    }
  }
  execute(*conv, std::move(arguments));
  const bool after = epilogue.residual.defined() && !within;
  if (after || epilogue.relu) add_relu(y, after ? epilogue.residual : Tensor(), epilogue.relu);
  return true;
}

bool backward_input_by_onednn(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  const auto conv = primitive_cache().find(key(Pass::BackwardInput, dx, dy, weight, options, 0),
                                           [&] { return make_backward_input(dx, dy, weight, options); });
  if (!conv->usable) return false;
  const Tensor prepared = prepare_weight(weight, {}, conv->weight, options.keep_weight);
  execute(*conv, {{DNNL_ARG_DIFF_SRC, wrap(activation_desc(dx), dx)},
                  {DNNL_ARG_WEIGHTS, wrap(conv->weight, prepared)},
                  {DNNL_ARG_DIFF_DST, wrap(activation_desc(dy), dy)}});
  return true;
}

bool backward_weight_by_onednn(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  const auto conv = primitive_cache().find(key(Pass::BackwardWeight, x, dy, dweight, options, 0),
                                           [&] { return make_backward_weight(dweight, x, dy, options); });
  if (!conv->usable) return false;
  const memory::desc plain = plain_weight_desc(weight_dims(dweight, options.groups));
  const bool direct = plain == conv->weight;
  const Tensor result = direct ? dweight : allocate_for(conv->weight);
  execute(*conv, {{DNNL_ARG_SRC, wrap(activation_desc(x), x)},
                  {DNNL_ARG_DIFF_WEIGHTS, wrap(conv->weight, result)},
                  {DNNL_ARG_DIFF_DST, wrap(activation_desc(dy), dy)}});
  if (!direct) reorder(wrap(conv->weight, result), wrap(plain, dweight));
  return true;
}

// oneDNN 2.6's 1x1 kernels with a stride write past their buffers where the channels do not fill a vector. Such a
// convolution is one without stride over every stride-th pixel.
bool overruns(const Tensor& x, const Tensor& weight, ConvOptions options) {
  return x.dtype() != DType::Float64 && !(options.stride == 1) && options.padding == 0 && weight.size(2) == 1 &&
         weight.size(3) == 1 && (weight.size(0) / options.groups % 16 != 0 || weight.size(1) % 16 != 0);
}

// Every stride-th pixel of x: a view of the size of y.
Tensor strided_pixels(const Tensor& x, const Tensor& y, Pair stride) {
  const Shape strides = {x.stride(0), x.stride(1), x.stride(2) * stride.h, x.stride(3) * stride.w};
  return Tensor(x.storage(), x.offset(), {x.size(0), x.size(1), y.size(2), y.size(3)}, strides, x.dtype());
}

ConvOptions without_stride(ConvOptions options) {
  options.stride = 1;
  return options;
}

// Winograd's gradients keep nothing.
ConvOptions without_kept_weight(ConvOptions options) {
  options.keep_weight = false;
  return options;
}

}  // namespace

void conv2d_forward(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                    ConvOptions options) {
  if (y.numel() == 0) return;
  if (overruns(x, weight, options)) {
    const Tensor pixels = ops::contiguous(strided_pixels(x, y, options.stride), MemoryFormat::ChannelsLast);
    return conv2d_forward(y, pixels, weight, epilogue, without_stride(options));
  }
  const bool wide = x.dtype() == DType::Float64;
  if (!wide && x.size(1) > 0) {
    if (winograd_pays(x, y, weight, options)) return conv2d_forward_by_winograd(y, x, weight, epilogue, options);
    if (forward_by_onednn(y, x, weight, epilogue, options)) return;
    if (x.dtype() == DType::BFloat16) {
      const Tensor result = empty(y.sizes(), {DType::Float32, MemoryFormat::ChannelsLast});
      ConvEpilogue widened_epilogue = epilogue;
      widened_epilogue.residual = widened(epilogue.residual);
      conv2d_forward(result, widened(x), weight, widened_epilogue, options);
      return ops::copy_(y, result);
    }
  }
  const loops::ConvShape shape = loops::conv_shape(x, y, weight, options);
  auto run = [&]<class T, class P>() {
    loops::conv2d_forward(y.data<T>(), x.data<T>(), weight.data<P>(), pointer<P>(epilogue.scale),
                          pointer<P>(epilogue.shift), pointer<T>(epilogue.residual), epilogue.relu, shape);
  };
  if (wide) return run.operator()<double, double>();
  if (x.dtype() == DType::BFloat16) return run.operator()<BFloat16, float>();
  run.operator()<float, float>();
}

void conv2d_backward_input(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  if (dx.numel() == 0) return;
  if (dy.numel() == 0) return ops::fill_(dx, 0.0);
  if (overruns(dy, weight, options)) {
    ops::fill_(dx, 0.0);
    const Tensor pixels = strided_pixels(dx, dy, options.stride);
    const Tensor result = empty(pixels.sizes(), {dx.dtype(), MemoryFormat::ChannelsLast});
    conv2d_backward_input(result, dy, weight, without_stride(options));
    return ops::copy_(pixels, result);
  }
  const bool wide = dy.dtype() == DType::Float64;
  if (!wide) {
    if (dx.dtype() == dy.dtype() && winograd_pays(dx, dy, weight, without_kept_weight(options)))
      return conv2d_backward_input_by_winograd(dx, dy, weight, options);
    if (backward_input_by_onednn(dx, dy, weight, options)) return;
    if (dy.dtype() == DType::BFloat16) {
      const Tensor result = empty(dx.sizes(), {DType::Float32, MemoryFormat::ChannelsLast});
      conv2d_backward_input(result, widened(dy), weight, options);
      return ops::copy_(dx, result);
    }
  }
  const loops::ConvShape shape = loops::conv_shape(dx, dy, weight, options);
  if (wide) return loops::conv2d_backward_input(dx.data<double>(), dy.data<double>(), weight.data<double>(), shape);
  loops::conv2d_backward_input(dx.data<float>(), dy.data<float>(), weight.data<float>(), shape);
}

void conv2d_backward_weight(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  if (dweight.numel() == 0) return;
  if (dy.numel() == 0) return ops::fill_(dweight, 0.0);
  if (overruns(x, dweight, options)) {
    const Tensor pixels = ops::contiguous(strided_pixels(x, dy, options.stride), MemoryFormat::ChannelsLast);
    return conv2d_backward_weight(dweight, pixels, dy, without_stride(options));
  }
  const bool wide = x.dtype() == DType::Float64;
  if (!wide) {
    if (x.dtype() == dy.dtype() && winograd_pays(x, dy, dweight, without_kept_weight(options)))
      return conv2d_backward_weight_by_winograd(dweight, x, dy, options);
    if (backward_weight_by_onednn(dweight, x, dy, options)) return;
    if (x.dtype() == DType::BFloat16) return conv2d_backward_weight(dweight, widened(x), widened(dy), options);
  }
  const loops::ConvShape shape = loops::conv_shape(x, dy, dweight, options);
  if (wide) return loops::conv2d_backward_weight(dweight.data<double>(), x.data<double>(), dy.data<double>(), shape);
  loops::conv2d_backward_weight(dweight.data<float>(), x.data<float>(), dy.data<float>(), shape);
}

}  // namespace bevgrad::cpu
