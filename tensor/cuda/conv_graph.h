// A convolution, with what follows it, as cuDNN's operation graph.
#pragma once
#include <array>
#include <vector>

#include "base/recent.h"
#include "cuda/cudnn_descriptor.h"
#include "tensor/dtype.h"
#include "tensor/pair.h"

namespace bevgrad::cuda {

enum class ConvPass : int64_t { Forward, BackwardInput, BackwardWeight };

/// A dense channels-last operand; sizes are logical, [N,C,H,W] or [K,C/groups,kh,kw].
struct ConvOperand {
  std::array<int64_t, 4> sizes{};
  DType dtype = DType::Float32;
  int64_t alignment = 16;  // bytes
};

/// x and y are the activations at the convolution's two ends, or their gradients. Forward may go on with
/// y = relu?(conv + residual + shift[c]); residual is laid out as y.
struct ConvProblem {
  ConvPass pass = ConvPass::Forward;
  ConvOperand x, weight, y;
  Pair stride = 1, padding = 0, dilation = 1;
  bool has_shift = false, has_residual = false, relu = false;
  DType shift_dtype = DType::Float32;
  int64_t shift_alignment = 4, residual_alignment = 16;

  std::vector<int64_t> key() const;
  /// The dtype of the pass's two inputs.
  DType input_dtype() const { return pass == ConvPass::BackwardInput ? y.dtype : x.dtype; }
};

/// Names of the operands in a graph.
enum ConvUid : int64_t { kUidX = 1, kUidWeight, kUidY, kUidShift, kUidResidual, kUidFirstVirtual = 16 };

/// The graph and everything that it is made of.
struct ConvGraph {
  std::vector<Descriptor> parts;
  Descriptor graph{CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR};
};

/// Not finalised yet. Without a handle (null) the graph can be checked but not run.
ConvGraph make_conv_graph(const ConvProblem& problem, cudnnHandle_t handle);

}  // namespace bevgrad::cuda
