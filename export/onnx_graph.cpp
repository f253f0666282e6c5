#include "export/onnx_graph.h"

#include <cstring>

#define ONNX_NAMESPACE onnx
#define ONNX_ML 1
#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/version.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

// Protobuf's own limit is 2 GiB; the nodes want some room.
// Smaller ones stay in the model: runtimes look at sizes and axes while they load it.
constexpr size_t kSmallestMoved = 1024;
// Offsets in a data file as ONNX recommends, so that it can be mapped.
constexpr uint64_t kAlignment = 4096;
// The version of the format that came with opset 17.
constexpr int64_t kIrVersion = 8;

int type_of(DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return onnx::TensorProto::FLOAT;
    case DType::Float16:
      return onnx::TensorProto::FLOAT16;
    case DType::BFloat16:
      return onnx::TensorProto::BFLOAT16;
    case DType::Float64:
      return onnx::TensorProto::DOUBLE;
    case DType::Int64:
      return onnx::TensorProto::INT64;
    case DType::Int32:
      return onnx::TensorProto::INT32;
    case DType::Int8:
      return onnx::TensorProto::INT8;
    case DType::UInt8:
      return onnx::TensorProto::UINT8;
    case DType::Bool:
      return onnx::TensorProto::BOOL;
    default:
      fail("onnx: {} is not written", name(dtype));
  }
}

void describe(onnx::ValueInfoProto& info, const std::string& name, int type, const OnnxSizes& sizes) {
  info.set_name(name);
  auto& tensor = *info.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type);
  for (const OnnxSize& size : sizes) {
    auto& dim = *tensor.mutable_shape()->add_dim();
    if (const auto* number = std::get_if<int64_t>(&size)) {
      dim.set_dim_value(*number);
    } else {
      dim.set_dim_param(std::get<std::string>(size));
    }
  }
}

void set(onnx::AttributeProto& to, const OnnxAttribute& from) {
  to.set_name(from.name);
  if (const auto* number = std::get_if<int64_t>(&from.value)) {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(*number);
  } else if (const auto* real = std::get_if<double>(&from.value)) {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(static_cast<float>(*real));
  } else if (const auto* text = std::get_if<std::string>(&from.value)) {
    to.set_type(onnx::AttributeProto::STRING);
    to.set_s(*text);
  } else {
    to.set_type(onnx::AttributeProto::INTS);
    for (const int64_t value : std::get<std::vector<int64_t>>(from.value)) to.add_ints(value);
  }
}

// Moves the constants of a model to a file beside it.
void move_constants(onnx::ModelProto& model, const std::string& path) {
  AtomicFile file(path);
  for (onnx::TensorProto& constant : *model.mutable_graph()->mutable_initializer()) {
    if (constant.raw_data().size() < kSmallestMoved) continue;
    file.write(std::string((kAlignment - file.position() % kAlignment) % kAlignment, '\0'));
    const auto add = [&](const char* key, const std::string& value) {
      auto& entry = *constant.add_external_data();
      entry.set_key(key);
      entry.set_value(value);
    };
    add("location", path.substr(path.rfind('/') + 1));
    add("offset", std::to_string(file.position()));
    add("length", std::to_string(constant.raw_data().size()));
    file.write(constant.raw_data());
    constant.clear_raw_data();
    constant.set_data_location(onnx::TensorProto::EXTERNAL);
  }
  file.commit();
}

}  // namespace

struct OnnxGraph::Impl {
  onnx::ModelProto model;
  int64_t constants = 0, nodes = 0, bytes = 0;

  onnx::GraphProto& graph() { return *model.mutable_graph(); }
};

OnnxGraph::OnnxGraph(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->model.set_ir_version(kIrVersion);
  impl_->model.set_producer_name("bevgrad");
  impl_->model.set_producer_version(kVersion);
  impl_->model.add_opset_import()->set_version(kOpset);
  impl_->graph().set_name(name);
}

OnnxGraph::~OnnxGraph() = default;

std::string OnnxGraph::input(const std::string& name, DType dtype, const OnnxSizes& sizes) {
  describe(*impl_->graph().add_input(), name, type_of(dtype), sizes);
  return name;
}

void OnnxGraph::output(const std::string& value, const std::string& name, const OnnxSizes& sizes) {
  auto& node = *impl_->graph().add_node();
  node.set_op_type("Identity");
  node.set_name("output " + name);
  node.add_input(value);
  node.add_output(name);
  describe(*impl_->graph().add_output(), name, onnx::TensorProto::FLOAT, sizes);
}

std::string OnnxGraph::constant(const Tensor& value) {
  const Tensor dense = ops::contiguous(value, MemoryFormat::Contiguous);
  auto& tensor = *impl_->graph().add_initializer();
  tensor.set_name(fmt::format("constant_{}", impl_->constants++));
  tensor.set_data_type(type_of(dense.dtype()));
  for (const int64_t size : dense.sizes()) tensor.add_dims(size);
  const auto bytes = static_cast<size_t>(dense.numel() * static_cast<int64_t>(item_size(dense.dtype())));
  tensor.set_raw_data(dense.raw_data(), bytes);
  impl_->bytes += static_cast<int64_t>(bytes);
  return tensor.name();
}

std::string OnnxGraph::constant(const std::vector<int64_t>& values) {
  const Tensor tensor = empty({static_cast<int64_t>(values.size())}, {DType::Int64});
  std::memcpy(tensor.raw_data(), values.data(), values.size() * sizeof(int64_t));
  return constant(tensor);
}

std::string OnnxGraph::constant(double value) {
  return constant(full({}, value));
}

std::string OnnxGraph::cast(const std::string& value, DType dtype) {
  return node("Cast", {value}, {{"to", int64_t{type_of(dtype)}}});
}

std::string OnnxGraph::node(const std::string& op, const std::vector<std::string>& inputs,
                            const std::vector<OnnxAttribute>& attributes) {
  return nodes(op, inputs, attributes, 1).front();
}

std::vector<std::string> OnnxGraph::nodes(const std::string& op, const std::vector<std::string>& inputs,
                                          const std::vector<OnnxAttribute>& attributes, size_t outputs) {
  auto& node = *impl_->graph().add_node();
  node.set_op_type(op);
  node.set_name(fmt::format("{}_{}", op, impl_->nodes++));
  for (const std::string& input : inputs) node.add_input(input);
  for (size_t i = 0; i < outputs; ++i) node.add_output(node.name() + (i == 0 ? "_out" : fmt::format("_out{}", i)));
  for (const OnnxAttribute& attribute : attributes) set(*node.add_attribute(), attribute);
  return {node.output().begin(), node.output().end()};
}

void OnnxGraph::save(const std::string& path, int64_t inline_bytes) {
  try {
    onnx::checker::check_model(impl_->model);
  } catch (const std::exception& error) {
    fail("{}: the model breaks a rule of ONNX: {}", path, error.what());
  }
  if (impl_->bytes > inline_bytes) move_constants(impl_->model, path + ".data");
  std::string bytes;
  check(impl_->model.SerializeToString(&bytes), "{}: the model is too large for Protobuf", path);
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace bevgrad
