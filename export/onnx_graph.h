// export/ says how networks look in the formats of other runtimes: an ONNX graph, layers and the stages of models/ as
// its nodes. Heads are in the folders of their tasks. Not here: which files are written (deploy/), reading them
// (formats/).
//
// This file: an ONNX graph under construction. Values are known by their names.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad {

struct OnnxAttribute {
  std::string name;
  std::variant<int64_t, double, std::string, std::vector<int64_t>> value;
};

/// A size, or the name of one that is known when the model runs.
using OnnxSize = std::variant<int64_t, std::string>;
using OnnxSizes = std::vector<OnnxSize>;

class OnnxGraph {
 public:
  static constexpr int64_t kOpset = 17;

  explicit OnnxGraph(const std::string& name);
  ~OnnxGraph();

  std::string input(const std::string& name, DType dtype, const OnnxSizes& sizes);
  /// A value of the graph under its public name.
  void output(const std::string& value, const std::string& name, const OnnxSizes& sizes);

  std::string constant(const Tensor& value);
  std::string constant(const std::vector<int64_t>& values);
  std::string cast(const std::string& value, DType dtype);
  /// A float32 number, of no dimension.
  std::string constant(double value);

  std::string node(const std::string& op, const std::vector<std::string>& inputs,
                   const std::vector<OnnxAttribute>& attributes = {});

  /// A node of several outputs.
  std::vector<std::string> nodes(const std::string& op, const std::vector<std::string>& inputs,
                                 const std::vector<OnnxAttribute>& attributes, size_t outputs);

  /// Checks the model by ONNX's own rules, then writes it whole or not at all; constants of more than `inline_bytes`
  /// together (Protobuf ends at 2 GB) go to a file of their own beside it, "<path>.data". Throws Error naming the file.
  void save(const std::string& path, int64_t inline_bytes = int64_t{1900} << 20);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
