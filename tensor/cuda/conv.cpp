// Convolution through cuDNN: activations are channels-last, weights are brought into that layout and the activations'
// precision with the scale of the epilogue folded in. float64 and shapes that cuDNN refuses go to the plain functors.
#include "cuda/conv.h"

#include <atomic>

#include "cuda/backend.h"
#include "cuda/conv_plan.h"
#include "cuda/direct.h"
#include "cuda/weights.h"
#include "tensor/graph_recording.h"
#include "tensor/ops.h"

namespace bevgrad::cuda {
namespace {

std::atomic<int64_t> fused_count{0}, apart_count{0}, direct_count{0};

// The largest power of two up to 16 that divides the address.
int64_t alignment(const Tensor& tensor) {
  const auto address = reinterpret_cast<uintptr_t>(tensor.raw_data());
  int64_t bytes = 16;
  while (address % static_cast<uintptr_t>(bytes) != 0) bytes /= 2;
  return bytes;
}

ConvOperand operand(const Tensor& tensor) {
  return {{tensor.size(0), tensor.size(1), tensor.size(2), tensor.size(3)}, tensor.dtype(), alignment(tensor)};
}

ConvProblem problem_of(ConvPass pass, const ConvTensors& tensors, ConvOptions options) {
  return {pass,           operand(tensors.x), operand(tensors.weight), operand(tensors.y),
          options.stride, options.padding,    options.dilation};
}

/// Runs the problem where cuDNN has a plan for it.
bool run(const ConvProblem& problem, const ConvTensors& tensors) {
  const auto plan = find_conv_plan(problem, tensors.x.device().index);
  if (plan) run_conv_plan(*plan, tensors);
  return plan != nullptr;
}

/// The convolution and what follows it as one graph.
bool run_fused(const ConvTensors& tensors, bool relu, ConvOptions options) {
  ConvProblem problem = problem_of(ConvPass::Forward, tensors, options);
  problem.has_shift = tensors.shift.defined();
  problem.has_residual = tensors.residual.defined();
  problem.relu = relu;
  if (problem.has_shift) problem.shift_dtype = tensors.shift.dtype();
  if (problem.has_shift) problem.shift_alignment = alignment(tensors.shift);
  if (problem.has_residual) problem.residual_alignment = alignment(tensors.residual);
  return run(problem, tensors);
}

bool forward_by_cudnn(const ConvTensors& tensors, bool relu, ConvOptions options) {
  const auto& [x, weight, y, shift, residual] = tensors;
  // cuDNN's ready-made engines want the shift in the type of the activations, which loses less than the result's own
  // rounding; those that take it as it is are compiled when they are asked for, half a second each.
  const bool other_shift = shift.defined() && shift.dtype() != x.dtype();
  if ((other_shift &&
       run_fused({x, weight, y, prepare_shift(shift, x.dtype(), options.keep_weight), residual}, relu, options)) ||
      run_fused(tensors, relu, options)) {
    ++fused_count;
    return true;
  }
  if (!shift.defined() && !residual.defined() && !relu) return false;
  if (!run_fused({x, weight, y, {}, {}}, false, options)) return false;
  channel_affine(y, y, {}, shift, residual, relu);
  ++apart_count;
  return true;
}

/// `result` in `dtype`: itself, or memory for a conversion that follows.
Tensor as(const Tensor& result, DType dtype) {
  return result.dtype() == dtype ? result : empty(result.sizes(), {dtype, MemoryFormat::ChannelsLast, result.device()});
}

/// Of a recording that is replayed with other weights, no copy of them is good for the next time.
bool may_keep(const ConvOptions& options) {
  return options.keep_weight || !is_recording_graph();
}

bool backward_input_by_cudnn(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  // The forward pass has prepared it already.
  const Tensor prepared = prepare_weight(weight, {}, dy.dtype(), may_keep(options));
  const ConvTensors tensors{dx, prepared, dy, {}, {}};
  if (run(problem_of(ConvPass::BackwardInput, tensors, options), tensors)) return true;
  if (dx.dtype() == dy.dtype()) return false;
  const ConvTensors narrow{as(dx, dy.dtype()), prepared, dy, {}, {}};
  if (!run(problem_of(ConvPass::BackwardInput, narrow, options), narrow)) return false;
  ops::copy_(dx, narrow.x);
  return true;
}

bool backward_weight_by_cudnn(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  const bool in_place = layouts_coincide(dweight);
  const ConvTensors exact{
      x,
      in_place ? dweight : empty(dweight.sizes(), {DType::Float32, MemoryFormat::ChannelsLast, dweight.device()}),
      dy,
      {},
      {}};
  if (run(problem_of(ConvPass::BackwardWeight, exact, options), exact)) {
    if (!in_place) restore_weight(dweight, exact.weight);
    return true;
  }
  if (x.dtype() == DType::Float32) return false;
  const ConvTensors narrow{x, as(dweight, x.dtype()), dy, {}, {}};
  if (!run(problem_of(ConvPass::BackwardWeight, narrow, options), narrow)) return false;
  restore_weight(dweight, narrow.weight);
  return true;
}

void count_pass(bool by_cudnn) {
  ++(by_cudnn ? fused_count : direct_count);
}

}  // namespace

ConvCounts conv_counts() {
  return {fused_count, apart_count, direct_count};
}

void reset_conv_counts() {
  fused_count = apart_count = direct_count = 0;
}

void conv2d_forward(const Tensor& y, const Tensor& x, const Tensor& weight, const ConvEpilogue& epilogue,
                    ConvOptions options) {
  if (y.numel() == 0) return;
  if (x.dtype() != DType::Float64 && x.numel() > 0) {
    // Kept also where it is trained: the gradient of the input takes it again, before it is written.
    const Tensor prepared = prepare_weight(weight, epilogue.scale, x.dtype(), may_keep(options));
    if (forward_by_cudnn({x, prepared, y, epilogue.shift, epilogue.residual}, epilogue.relu, options)) return;
  }
  ++direct_count;
  direct::conv2d_forward(y, x, weight, epilogue, options);
}

void conv2d_backward_input(const Tensor& dx, const Tensor& dy, const Tensor& weight, ConvOptions options) {
  if (dx.numel() == 0) return;
  if (dy.numel() == 0) return ops::fill_(dx, 0.0);
  const bool done = dy.dtype() != DType::Float64 && backward_input_by_cudnn(dx, dy, weight, options);
  count_pass(done);
  if (!done) direct::conv2d_backward_input(dx, dy, weight, options);
}

void conv2d_backward_weight(const Tensor& dweight, const Tensor& x, const Tensor& dy, ConvOptions options) {
  if (dweight.numel() == 0) return;
  if (dy.numel() == 0) return ops::fill_(dweight, 0.0);
  const bool done = x.dtype() != DType::Float64 && x.numel() > 0 && backward_weight_by_cudnn(dweight, x, dy, options);
  count_pass(done);
  if (!done) direct::conv2d_backward_weight(dweight, x, dy, options);
}

}  // namespace bevgrad::cuda
