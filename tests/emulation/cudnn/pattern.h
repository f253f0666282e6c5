// An operation graph as the stand-in understands it: one convolution, then a chain of pointwise operations.
#pragma once
#include <array>
#include <optional>

#include "node.h"

namespace bevgrad::emulation::cudnn {

enum class Pass { forward, backward_input, backward_weight };

struct Operand {
  int64_t uid = 0;
  cudnnDataType_t type = CUDNN_DATA_FLOAT;
  std::array<int64_t, 4> sizes{};
  int64_t alignment = 0;
  bool is_virtual = false;

  int64_t count() const { return sizes[0] * sizes[1] * sizes[2] * sizes[3]; }
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(type); }
};

struct Step {
  cudnnPointwiseMode_t mode;
  std::optional<Operand> operand;  // [1,K,1,1] or as the output
};

struct Pattern {
  Pass pass = Pass::forward;
  int64_t stride = 1, padding = 0;
  Operand x, weight, y;  // as the convolution has them
  std::vector<Step> steps;
  Operand output;  // what the last operation writes

  /// Everything that lies in memory.
  std::vector<Operand> operands() const;
  const Operand& first_input() const { return pass == Pass::backward_input ? y : x; }
  const Operand& second_input() const { return pass == Pass::backward_weight ? y : weight; }
};

struct ConvolutionNodes {
  NodePointer convolution, x, weight, y;
  double alpha, beta;
};
ConvolutionNodes convolution_nodes(const Node& operation);

/// Throws Refusal for a graph that is wrong or of another kind.
Pattern read_pattern(const Node& graph);

}  // namespace bevgrad::emulation::cudnn
