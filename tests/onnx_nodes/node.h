// A node of an ONNX graph as the operators' functions see it.
#pragma once
#define ONNX_NAMESPACE onnx
#define ONNX_ML 1
#include <onnx/onnx_pb.h>

#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensor/ops.h"
#include "tensor/tensor.h"

namespace bevgrad::testing::onnx_nodes {

/// The case asks for something that this library has no function for. Whether that is so is looked up in not_here.txt.
class NotHere : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws NotHere unless `condition` holds.
void needs(bool condition, const std::string& what);

/// Throws NotHere for an element type that this library does not have.
DType dtype_of_onnx(int type);
Tensor tensor_of(const onnx::TensorProto& proto);

class Node {
 public:
  Node(const onnx::NodeProto& proto, int64_t opset, std::vector<Tensor> inputs)
      : opset(opset), inputs_(std::move(inputs)), proto_(proto) {}

  const int64_t opset;  // of the model
  size_t outputs() const { return static_cast<size_t>(proto_.output_size()); }
  bool wants(size_t output) const { return output < outputs() && !proto_.output(static_cast<int>(output)).empty(); }

  size_t input_count() const { return inputs_.size(); }
  bool has(size_t input) const { return input < inputs_.size() && inputs_[input].defined(); }
  /// Input number `input`; Error where it is absent.
  const Tensor& operator[](size_t input) const;
  /// The same, or an undefined tensor.
  Tensor optional(size_t input) const { return has(input) ? inputs_[input] : Tensor(); }
  const std::vector<Tensor>& inputs() const { return inputs_; }

  bool has(const std::string& attribute) const { return find(attribute) != nullptr; }
  int64_t integer(const std::string& attribute, int64_t otherwise) const;
  double number(const std::string& attribute, double otherwise) const;
  std::string text(const std::string& attribute, const std::string& otherwise) const;
  std::vector<int64_t> integers(const std::string& attribute, const std::vector<int64_t>& otherwise) const;
  std::vector<double> numbers(const std::string& attribute) const;
  Tensor tensor(const std::string& attribute) const;
  /// Numbers that are an attribute in old versions of the operator and an input in new ones.
  std::vector<int64_t> integers(const std::string& attribute, size_t input,
                                const std::vector<int64_t>& otherwise) const;

 private:
  const onnx::AttributeProto* find(const std::string& attribute) const;

  std::vector<Tensor> inputs_;
  const onnx::NodeProto& proto_;
};

/// The values of a tensor of integers.
std::vector<int64_t> integers_of(const Tensor& tensor);
/// `axis` from 0 on.
int wrapped(int64_t axis, int rank);
std::vector<int> wrapped(const std::vector<int64_t>& axes, int rank);

using Outputs = std::vector<Tensor>;
using Operator = std::function<Outputs(const Node&)>;
using Operators = std::map<std::string, Operator>;

// By families; an operator of a domain of its own is called "domain:name".
void add_elementwise(Operators& operators);
void add_reductions(Operators& operators);
void add_shapes(Operators& operators);
void add_indexing(Operators& operators);
void add_windows(Operators& operators);
void add_resizing(Operators& operators);
void add_norms(Operators& operators);
void add_products(Operators& operators);
void add_recurrent(Operators& operators);
void add_losses(Operators& operators);

}  // namespace bevgrad::testing::onnx_nodes
