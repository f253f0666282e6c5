#include "onnx_nodes/node.h"

#include <cstring>

namespace bevgrad::testing::onnx_nodes {

void needs(bool condition, const std::string& what) {
  if (!condition) throw NotHere(what);
}

DType dtype_of_onnx(int type) {
  switch (type) {
    case onnx::TensorProto::FLOAT:
      return DType::Float32;
    case onnx::TensorProto::DOUBLE:
      return DType::Float64;
    case onnx::TensorProto::FLOAT16:
      return DType::Float16;
    case onnx::TensorProto::BFLOAT16:
      return DType::BFloat16;
    case onnx::TensorProto::INT64:
      return DType::Int64;
    case onnx::TensorProto::INT32:
      return DType::Int32;
    case onnx::TensorProto::INT16:
      return DType::Int16;
    case onnx::TensorProto::INT8:
      return DType::Int8;
    case onnx::TensorProto::UINT8:
      return DType::UInt8;
    case onnx::TensorProto::BOOL:
      return DType::Bool;
    default:
      throw NotHere("element type " + std::to_string(type));
  }
}

Tensor tensor_of(const onnx::TensorProto& proto) {
  const DType dtype = dtype_of_onnx(proto.data_type());
  const Tensor result = empty(Shape(proto.dims().begin(), proto.dims().end()), {dtype});
  if (result.numel() == 0) return result;
  if (proto.has_raw_data()) {
    check(proto.raw_data().size() == result.nbytes(), "tensor {}: {} bytes, expected {}", proto.name(),
          proto.raw_data().size(), result.nbytes());
    std::memcpy(result.raw_data(), proto.raw_data().data(), result.nbytes());
    return result;
  }
  const auto values = [&](const auto& field) {
    check(field.size() == result.numel(), "tensor {}: {} elements, expected {}", proto.name(), field.size(),
          result.numel());
    dispatch_all(dtype, [&]<class T>() {
      T* out = result.data<T>();
      for (int i = 0; i < field.size(); ++i) {
        if constexpr (std::is_same_v<T, Float16> || std::is_same_v<T, BFloat16>) {
          out[i].bits = static_cast<uint16_t>(field[i]);  // as bits in int32_data
        } else {
          out[i] = static_cast<T>(field[i]);
        }
      }
    });
  };
  if (dtype == DType::Float32) {
    values(proto.float_data());
  } else if (dtype == DType::Float64) {
    values(proto.double_data());
  } else if (dtype == DType::Int64) {
    values(proto.int64_data());
  } else {
    values(proto.int32_data());
  }
  return result;
}

const Tensor& Node::operator[](size_t input) const {
  check(has(input), "{}: input {} is absent", proto_.op_type(), input);
  return inputs_[input];
}

const onnx::AttributeProto* Node::find(const std::string& attribute) const {
  for (const onnx::AttributeProto& candidate : proto_.attribute()) {
    if (candidate.name() == attribute) return &candidate;
  }
  return nullptr;
}

int64_t Node::integer(const std::string& attribute, int64_t otherwise) const {
  const auto* found = find(attribute);
  return found ? found->i() : otherwise;
}

double Node::number(const std::string& attribute, double otherwise) const {
  const auto* found = find(attribute);
  return found ? static_cast<double>(found->f()) : otherwise;
}

std::string Node::text(const std::string& attribute, const std::string& otherwise) const {
  const auto* found = find(attribute);
  return found ? found->s() : otherwise;
}

std::vector<int64_t> Node::integers(const std::string& attribute, const std::vector<int64_t>& otherwise) const {
  const auto* found = find(attribute);
  return found ? std::vector<int64_t>(found->ints().begin(), found->ints().end()) : otherwise;
}

std::vector<double> Node::numbers(const std::string& attribute) const {
  const auto* found = find(attribute);
  return found ? std::vector<double>(found->floats().begin(), found->floats().end()) : std::vector<double>();
}

Tensor Node::tensor(const std::string& attribute) const {
  const auto* found = find(attribute);
  return found ? tensor_of(found->t()) : Tensor();
}

std::vector<int64_t> Node::integers(const std::string& attribute, size_t input,
                                    const std::vector<int64_t>& otherwise) const {
  return has(input) ? integers_of(inputs_[input]) : integers(attribute, otherwise);
}

std::vector<int64_t> integers_of(const Tensor& tensor) {
  std::vector<int64_t> result;
  for (const double value : tensor.to_vector()) result.push_back(static_cast<int64_t>(value));
  return result;
}

int wrapped(int64_t axis, int rank) {
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

std::vector<int> wrapped(const std::vector<int64_t>& axes, int rank) {
  std::vector<int> result;
  for (const int64_t axis : axes) result.push_back(wrapped(axis, rank));
  return result;
}

}  // namespace bevgrad::testing::onnx_nodes
