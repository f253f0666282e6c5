#include "pattern.h"

namespace bevgrad::emulation::cudnn {
namespace {

double number(const Node& node, cudnnBackendAttributeName_t name) {
  return node.values.at(name).type == CUDNN_TYPE_DOUBLE ? node.one<double>(name) : node.one<float>(name);
}

Operand read_operand(const Node& tensor) {
  const auto sizes = tensor.list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto strides = tensor.list<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  require(sizes.size() == 4, CUDNN_STATUS_NOT_SUPPORTED, "tensors of rank {}", sizes.size());
  Operand result;
  std::copy(sizes.begin(), sizes.end(), result.sizes.begin());
  const std::vector<int64_t> channels_last{sizes[1] * sizes[2] * sizes[3], 1, sizes[1] * sizes[3], sizes[1]};
  require(strides == channels_last, CUDNN_STATUS_NOT_SUPPORTED_LAYOUT,
          "tensor {} is not dense channels-last: sizes {}, {}, {}, {} with strides {}, {}, {}, {}",
          tensor.one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID), sizes[0], sizes[1], sizes[2], sizes[3], strides[0],
          strides[1], strides[2], strides[3]);
  result.uid = tensor.one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
  result.type = tensor.one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
  result.alignment = tensor.one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  result.is_virtual = tensor.has(CUDNN_ATTR_TENSOR_IS_VIRTUAL) && tensor.one<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL);
  return result;
}

Pass pass_of(const Node& operation) {
  switch (operation.type) {
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return Pass::forward;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return Pass::backward_input;
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return Pass::backward_weight;
    default:
      refuse(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "a graph that starts with an operation of type {}",
             static_cast<int>(operation.type));
  }
}

void read_convolution(const Node& operation, Pattern& pattern) {
  pattern.pass = pass_of(operation);
  const ConvolutionNodes nodes = convolution_nodes(operation);
  pattern.x = read_operand(*nodes.x);
  pattern.weight = read_operand(*nodes.weight);
  pattern.y = read_operand(*nodes.y);
  require(nodes.alpha == 1 && nodes.beta == 0, CUDNN_STATUS_NOT_SUPPORTED, "alpha {} and beta {}", nodes.alpha,
          nodes.beta);
  require(pattern.x.sizes[1] == pattern.weight.sizes[1], CUDNN_STATUS_NOT_SUPPORTED, "grouped convolutions");
  const auto stride = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const auto dilation = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  const auto before = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const auto after = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  require(stride[0] == stride[1] && before[0] == before[1] && before == after && dilation[0] == 1 && dilation[1] == 1,
          CUDNN_STATUS_NOT_SUPPORTED, "strides or paddings that differ per side, or dilation");
  require(nodes.convolution->one<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) == CUDNN_CROSS_CORRELATION,
          CUDNN_STATUS_NOT_SUPPORTED, "convolutions with a flipped weight");
  require(nodes.convolution->one<cudnnDataType_t>(CUDNN_ATTR_CONVOLUTION_COMP_TYPE) == CUDNN_DATA_FLOAT,
          CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "another compute type than float");
  pattern.stride = stride[0];
  pattern.padding = before[0];
}

void read_step(const Node& operation, Pattern& pattern) {
  require(operation.type == CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR && pattern.pass == Pass::forward,
          CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "an operation of type {} behind a convolution",
          static_cast<int>(operation.type));
  const Node& what = *operation.node(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  require(what.one<cudnnDataType_t>(CUDNN_ATTR_POINTWISE_MATH_PREC) == CUDNN_DATA_FLOAT,
          CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "pointwise operations in another type than float");
  const Operand x = read_operand(*operation.node(CUDNN_ATTR_OPERATION_POINTWISE_XDESC));
  require(x.uid == pattern.output.uid, CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN,
          "operation reads tensor {}, the one before it writes {}", x.uid, pattern.output.uid);
  require(x.is_virtual, CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "the intermediate tensor {} is not virtual", x.uid);
  Step step{what.one<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE), {}};
  if (operation.has(CUDNN_ATTR_OPERATION_POINTWISE_BDESC)) {
    step.operand = read_operand(*operation.node(CUDNN_ATTR_OPERATION_POINTWISE_BDESC));
    require(!step.operand->is_virtual, CUDNN_STATUS_BAD_PARAM, "virtual tensor {} is written by no operation",
            step.operand->uid);
    const std::array<int64_t, 4> vector{1, x.sizes[1], 1, 1};
    require(step.operand->sizes == x.sizes || step.operand->sizes == vector, CUDNN_STATUS_NOT_SUPPORTED_SHAPE,
            "broadcast along anything but a vector of channels");
  }
  pattern.steps.push_back(step);
  pattern.output = read_operand(*operation.node(CUDNN_ATTR_OPERATION_POINTWISE_YDESC));
}

}  // namespace

ConvolutionNodes convolution_nodes(const Node& operation) {
  switch (pass_of(operation)) {
    case Pass::forward:
      return {operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y),
              number(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA),
              number(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA)};
    case Pass::backward_input:
      return {operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY),
              number(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA),
              number(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA)};
    default:
      return {operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW),
              operation.node(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY),
              number(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA),
              number(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA)};
  }
}

std::vector<Operand> Pattern::operands() const {
  std::vector<Operand> result;
  for (const Operand* operand : {&x, &weight, &y})
    if (!operand->is_virtual) result.push_back(*operand);
  for (const Step& step : steps)
    if (step.operand) result.push_back(*step.operand);
  if (!steps.empty()) result.push_back(output);
  return result;
}

Pattern read_pattern(const Node& graph) {
  const auto& operations = graph.values.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).nodes;
  Pattern pattern;
  read_convolution(*operations.front(), pattern);
  pattern.output = pattern.pass == Pass::forward          ? pattern.y
                   : pattern.pass == Pass::backward_input ? pattern.x
                                                          : pattern.weight;
  for (size_t i = 1; i < operations.size(); ++i) read_step(*operations[i], pattern);
  require(!pattern.output.is_virtual, CUDNN_STATUS_BAD_PARAM, "the last tensor {} is virtual", pattern.output.uid);
  for (const Operand* input : {&pattern.first_input(), &pattern.second_input()})
    require(!input->is_virtual, CUDNN_STATUS_BAD_PARAM, "virtual tensor {} is written by no operation", input->uid);
  const auto operands = pattern.operands();
  for (size_t i = 0; i < operands.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      require(operands[i].uid != operands[j].uid, CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES,
              "two tensors of the graph have the id {}", operands[i].uid);
  return pattern;
}

}  // namespace bevgrad::emulation::cudnn
