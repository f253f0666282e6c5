#include "cuda/conv_graph.h"

#include <deque>

namespace bevgrad::cuda {
namespace {

cudnnDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return CUDNN_DATA_FLOAT;
    case DType::BFloat16:
      return CUDNN_DATA_BFLOAT16;
    default:
      fail("cudnn: {} is not supported", name(dtype));
  }
}

// Channels-last by strides, whatever sizes of one there are.
std::vector<int64_t> strides(const std::array<int64_t, 4>& s) {
  return {s[1] * s[2] * s[3], 1, s[1] * s[3], s[1]};
}

Descriptor tensor(int64_t uid, const ConvOperand& operand, bool is_virtual = false) {
  Descriptor result(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  result.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
  result.set(CUDNN_ATTR_TENSOR_DATA_TYPE, data_type(operand.dtype));
  result.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::vector<int64_t>(operand.sizes.begin(), operand.sizes.end()));
  result.set(CUDNN_ATTR_TENSOR_STRIDES, strides(operand.sizes));
  result.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, operand.alignment);
  if (is_virtual) result.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, true);
  result.finalize();
  return result;
}

Descriptor convolution(const ConvProblem& problem) {
  Descriptor result(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  const auto both = [](Pair pair) { return std::vector<int64_t>{pair.h, pair.w}; };
  result.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  result.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  result.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, int64_t{2});
  result.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, both(problem.stride));
  result.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, both(problem.dilation));
  result.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, both(problem.padding));
  result.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, both(problem.padding));
  result.finalize();
  return result;
}

struct PassAttributes {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, weight, y, alpha, beta;
};

PassAttributes attributes(ConvPass pass) {
  switch (pass) {
    case ConvPass::BackwardInput:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvPass::BackwardWeight:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
    case ConvPass::Forward:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
}

/// Collects descriptors: parts that must live, operations in order. References to parts stay valid.
class Builder {
 public:
  explicit Builder(const ConvProblem& problem) : problem_(problem) {}

  ConvGraph build(cudnnHandle_t handle) {
    const int steps = problem_.has_residual + problem_.has_shift + problem_.relu;
    const Descriptor& x = keep(tensor(kUidX, problem_.x));
    const Descriptor& weight = keep(tensor(kUidWeight, problem_.weight));
    const Descriptor* last = &output_of(0, steps);
    add_convolution(x, weight, *last);
    int step = 0;
    if (problem_.has_residual) {
      ConvOperand residual = problem_.y;
      residual.alignment = problem_.residual_alignment;
      last = &add_pointwise(CUDNN_POINTWISE_ADD, *last, &keep(tensor(kUidResidual, residual)), ++step, steps);
    }
    if (problem_.has_shift) {
      const ConvOperand shift{{1, problem_.y.sizes[1], 1, 1}, problem_.shift_dtype, problem_.shift_alignment};
      last = &add_pointwise(CUDNN_POINTWISE_ADD, *last, &keep(tensor(kUidShift, shift)), ++step, steps);
    }
    if (problem_.relu) last = &add_pointwise(CUDNN_POINTWISE_RELU_FWD, *last, nullptr, ++step, steps);

    ConvGraph result;
    result.graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                     static_cast<int64_t>(operations_.size()), operations_.data());
    if (handle) result.graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    for (Descriptor& part : parts_) result.parts.push_back(std::move(part));
    return result;
  }

 private:
  const Descriptor& keep(Descriptor part) { return parts_.emplace_back(std::move(part)); }

  void add_operation(Descriptor operation) {
    operation.finalize();
    operations_.push_back(keep(std::move(operation)).raw());
  }

  /// What step `step` of `steps` writes: y at the end, else a float32 value that never reaches memory.
  const Descriptor& output_of(int step, int steps) {
    if (step == steps) return keep(tensor(kUidY, problem_.y));
    return keep(tensor(kUidFirstVirtual + step, {problem_.y.sizes, DType::Float32, 16}, true));
  }

  void add_convolution(const Descriptor& x, const Descriptor& weight, const Descriptor& y) {
    const PassAttributes names = attributes(problem_.pass);
    Descriptor operation(names.type);
    operation.set(names.convolution, keep(convolution(problem_)));
    operation.set(names.x, x);
    operation.set(names.weight, weight);
    operation.set(names.y, y);
    operation.set(names.alpha, 1.0f);
    operation.set(names.beta, 0.0f);
    add_operation(std::move(operation));
  }

  const Descriptor& add_pointwise(cudnnPointwiseMode_t mode, const Descriptor& input, const Descriptor* operand,
                                  int step, int steps) {
    Descriptor what(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    what.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
    what.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_DATA_FLOAT);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    // Deprecated from 9.14 on, where NaN always passes; before, a ReLU drops it unless told otherwise.
    const cudnnNanPropagation_t propagate = CUDNN_PROPAGATE_NAN;
    what.set(CUDNN_ATTR_POINTWISE_NAN_PROPAGATION, CUDNN_TYPE_NAN_PROPOGATION, 1, &propagate);
#pragma GCC diagnostic pop
    what.finalize();
    const Descriptor& output = output_of(step, steps);
    Descriptor operation(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, keep(std::move(what)));
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, input);
    if (operand) operation.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *operand);
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, output);
    add_operation(std::move(operation));
    return output;
  }

  const ConvProblem& problem_;
  std::deque<Descriptor> parts_;
  std::vector<cudnnBackendDescriptor_t> operations_;
};

}  // namespace

std::vector<int64_t> ConvProblem::key() const {
  std::vector<int64_t> key{static_cast<int64_t>(pass),
                           stride.h,
                           stride.w,
                           padding.h,
                           padding.w,
                           dilation.h,
                           dilation.w,
                           has_shift + 2 * has_residual + 4 * relu,
                           static_cast<int64_t>(shift_dtype),
                           has_shift ? shift_alignment : 0,
                           has_residual ? residual_alignment : 0};
  for (const ConvOperand* operand : {&x, &weight, &y}) {
    key.insert(key.end(), operand->sizes.begin(), operand->sizes.end());
    key.push_back(static_cast<int64_t>(operand->dtype));
    key.push_back(operand->alignment);
  }
  return key;
}

ConvGraph make_conv_graph(const ConvProblem& problem, cudnnHandle_t handle) {
  return Builder(problem).build(handle);
}

}  // namespace bevgrad::cuda
