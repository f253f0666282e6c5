// A network's layers as ONNX nodes, by the names of their parameters.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>

#include "autograd/functions/batch_norm.h"
#include "export/onnx_graph.h"
#include "export/onnx_map.h"
#include "export/precision.h"
#include "models/network.h"
#include "nn/activation_ranges.h"

namespace bevgrad {

struct ConvForm {
  int64_t stride = 1;
  int64_t padding = 0;
  bool same = false;  ///< TensorFlow's padding instead: outputs for size / stride, rounded up, what is odd at the end
  int64_t groups = 1;
  bool transposed = false;
  std::string norm = {};  ///< the batch norm that follows and is folded in
  double eps = 1e-5;      ///< of the norm
  bool relu = true;
  std::string residual = {};  ///< added before the activation
  bool logits = false;        ///< a map of a head: not rounded to 8 bits
};

struct OnnxForm {
  OnnxPrecision precision = OnnxPrecision::Float32;
  ActivationRanges ranges = {};  ///< for integers; a convolution that is not in it stays float32
  bool candidates = false;       ///< heads also give what their maps say of objects, decoded
};

class OnnxLayers {
 public:
  OnnxLayers(OnnxGraph& graph, const Network& network, OnnxForm form = {});

  bool wants_candidates() const { return form_.candidates; }
  OnnxGraph& graph() { return *graph_; }
  /// The module of a stage, for what its parameters do not say. Throws UsageError where it is of another type.
  template <class Part>
  const Part& part(const std::string& stage) const {
    const Stage* found = network_.stage_of(stage);
    const auto* part = found == nullptr ? nullptr : dynamic_cast<const Part*>(found->module);
    if (part == nullptr) refuse(stage, "it is another part");
    return *part;
  }
  /// Nodes go to another graph from now on.
  void switch_to(OnnxGraph& graph);
  /// A parameter or buffer as it is. Throws UsageError naming the stage where there is none.
  Tensor tensor(const std::string& name);
  bool has(const std::string& name) const { return tensors_.contains(name); }

  /// A batch norm's running statistics and parameters as factor and summand, float64 [channels].
  FoldedNorm norm(const std::string& name, double eps);
  OnnxMap conv(const OnnxMap& x, const std::string& name, const ConvForm& form);
  /// models/basic_block.h
  OnnxMap basic_block(const OnnxMap& x, const std::string& name, int64_t stride = 1);
  /// models/bottleneck.h
  OnnxMap bottleneck(const OnnxMap& x, const std::string& name, int64_t stride);
  /// Enlarged by two; `mode` "nearest" or "linear".
  OnnxMap enlarge(const OnnxMap& x, const std::string& mode);

  /// Between float32 and what feature maps are of (OnnxMap::value).
  std::string narrow(const std::string& x);
  std::string widen(const std::string& x);
  /// A constant that meets feature maps. Throws UsageError naming the layer for one that 16 bits do not hold.
  std::string weight(const Tensor& value, const std::string& layer);

  std::string add(const std::string& a, const std::string& b) { return graph_->node("Add", {a, b}); }
  std::string relu(const std::string& x) { return graph_->node("Relu", {x}); }
  /// Sizes as Reshape takes them: -1 is inferred.
  std::string reshape(const std::string& x, const std::vector<int64_t>& sizes);

  /// Throws UsageError for a parameter of the network that no layer has taken: a part that was not understood.
  void check_all_taken() const;

 private:
  /// Of a residual block: the input, brought to the block's channels and stride where it has `downsample`.
  OnnxMap shortcut(const OnnxMap& x, const std::string& name, int64_t stride);
  [[noreturn]] void refuse(const std::string& name, const std::string& why) const;
  struct Rounded {
    std::string value;
    double step = 0;
  };

  /// The value that 8 bits stand for: the same one, with the first range, for all who ask.
  const Rounded& rounded(const std::string& x, const ActivationRange& range);
  /// That value where somebody has asked for it, else x.
  const std::string& rounded_if_known(const std::string& x) const;
  /// Weight and bias as integers, per output channel; float64 in.
  std::vector<std::string> integer_constants(const Tensor& weight, const Tensor& bias, double input_step);

  OnnxGraph* graph_;
  const Network& network_;
  OnnxForm form_;
  std::map<std::string, Rounded> rounded_;  // values of this graph; those that are rounded stand for themselves
  std::map<std::string, Tensor> tensors_;
  std::set<std::string> taken_;
};

}  // namespace bevgrad
