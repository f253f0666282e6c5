// What the attributes of a descriptor must say together when it is finalised.
#include "node.h"
#include "pattern.h"

namespace bevgrad::emulation::cudnn {
namespace {

void check_finalized(const Node& node) {
  for (const auto& [name, value] : node.values)
    for (const NodePointer& child : value.nodes)
      require(child->finalized, CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
              "attribute {} is a descriptor of type {} that is "
              "not finalised",
              static_cast<int>(name), static_cast<int>(child->type));
}

void check_type(const Node& node, cudnnBackendAttributeName_t name, cudnnBackendDescriptorType_t type) {
  if (!node.has(name)) return;
  require(node.node(name)->type == type, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
          "attribute {} is a descriptor of type {}, expected {}", static_cast<int>(name),
          static_cast<int>(node.node(name)->type), static_cast<int>(type));
}

void check_tensor(const Node& node) {
  const auto sizes = node.list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto strides = node.list<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  require(sizes.size() == strides.size(), CUDNN_STATUS_BAD_PARAM, "a tensor of {} dimensions has {} strides",
          sizes.size(), strides.size());
  for (size_t d = 0; d < sizes.size(); ++d)
    require(sizes[d] > 0 && strides[d] > 0, CUDNN_STATUS_BAD_PARAM, "dimension {} of a tensor is {} with stride {}", d,
            sizes[d], strides[d]);
  const auto alignment = node.one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  const auto item = static_cast<int64_t>(size_of(node.one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE)));
  require(alignment > 0 && (alignment & (alignment - 1)) == 0 && alignment % item == 0, CUDNN_STATUS_BAD_PARAM,
          "an alignment of {} bytes is no power of two that holds elements of {} bytes", alignment, item);
}

void check_convolution(const Node& node) {
  const auto dims = static_cast<size_t>(node.one<int64_t>(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS));
  for (const auto name : {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
                          CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS}) {
    const auto values = node.list<int64_t>(name);
    require(values.size() == dims, CUDNN_STATUS_BAD_PARAM, "attribute {} has {} elements for {} spatial dimensions",
            static_cast<int>(name), values.size(), dims);
    const bool padding = name == CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS || name == CUDNN_ATTR_CONVOLUTION_POST_PADDINGS;
    for (int64_t value : values)
      require(value >= (padding ? 0 : 1), CUDNN_STATUS_BAD_PARAM, "attribute {} is {}", static_cast<int>(name), value);
  }
}

void check_convolution_operation(const Node& node) {
  const ConvolutionNodes nodes = convolution_nodes(node);
  for (const NodePointer& tensor : {nodes.x, nodes.weight, nodes.y})
    require(tensor->type == CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
            "an operand of a convolution is a descriptor of type {}", static_cast<int>(tensor->type));
  require(nodes.convolution->type == CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE,
          "a convolution's descriptor is of type {}", static_cast<int>(nodes.convolution->type));
  const auto x = nodes.x->list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto w = nodes.weight->list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto y = nodes.y->list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto stride = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const auto dilation = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  const auto before = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const auto after = nodes.convolution->list<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  const size_t rank = stride.size() + 2;
  require(x.size() == rank && w.size() == rank && y.size() == rank, CUDNN_STATUS_BAD_PARAM,
          "operands of ranks {}, {}, {} with {} spatial dimensions", x.size(), w.size(), y.size(), stride.size());
  require(x[0] == y[0], CUDNN_STATUS_BAD_PARAM, "{} images give {}", x[0], y[0]);
  require(x[1] % w[1] == 0, CUDNN_STATUS_BAD_PARAM, "{} channels do not go with a weight of {}", x[1], w[1]);
  require(w[0] == y[1], CUDNN_STATUS_BAD_PARAM, "a weight of {} outputs gives {} channels", w[0], y[1]);
  for (size_t d = 0; d < stride.size(); ++d) {
    const int64_t window = dilation[d] * (w[d + 2] - 1) + 1;
    const int64_t expected = (x[d + 2] + before[d] + after[d] - window) / stride[d] + 1;
    require(x[d + 2] + before[d] + after[d] >= window && y[d + 2] == expected, CUDNN_STATUS_BAD_PARAM,
            "spatial dimension {}: {} with a window of {}, stride {} and padding {}+{} gives {}, not {}", d, x[d + 2],
            window, stride[d], before[d], after[d], expected, y[d + 2]);
  }
}

void check_pointwise_operation(const Node& node) {
  check_type(node, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  for (const auto name : {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                          CUDNN_ATTR_OPERATION_POINTWISE_YDESC})
    check_type(node, name, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  const auto mode =
      node.node(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR)->one<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE);
  const bool binary = mode != CUDNN_POINTWISE_RELU_FWD;
  require(node.has(CUDNN_ATTR_OPERATION_POINTWISE_BDESC) == binary, CUDNN_STATUS_BAD_PARAM,
          "pointwise mode {} takes {} operand", static_cast<int>(mode), binary ? "a second" : "no second");
  const auto sizes = [&](cudnnBackendAttributeName_t name) {
    return node.node(name)->list<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  };
  const auto x = sizes(CUDNN_ATTR_OPERATION_POINTWISE_XDESC), y = sizes(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
  require(x == y, CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "a pointwise operation's input and output differ in shape");
  if (!binary) return;
  const auto b = sizes(CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
  require(b.size() == x.size(), CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, "operands of ranks {} and {}", x.size(),
          b.size());
  for (size_t d = 0; d < b.size(); ++d)
    require(b[d] == 1 || b[d] == x[d], CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH,
            "dimension {} of size {} does not broadcast to {}", d, b[d], x[d]);
}

void check_pack(const Node& node) {
  const auto uids = node.list<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = node.list<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  require(uids.size() == pointers.size(), CUDNN_STATUS_BAD_PARAM, "{} ids and {} pointers", uids.size(),
          pointers.size());
  for (size_t i = 0; i < uids.size(); ++i) {
    require(pointers[i] != nullptr, CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "operand {} has no memory", uids[i]);
    for (size_t j = 0; j < i; ++j)
      require(uids[i] != uids[j], CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES, "operand {} is given twice", uids[i]);
  }
}

}  // namespace

void check_consistency(const Node& node) {
  check_finalized(node);
  switch (node.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return check_tensor(node);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return check_convolution(node);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return check_convolution_operation(node);
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      return check_pointwise_operation(node);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return check_type(node, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return check_type(node, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return check_pack(node);
    default:
      return;
  }
}

}  // namespace bevgrad::emulation::cudnn
