// Losses of classes.
#include "autograd/functions.h"
#include "nn/common_losses.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

ClassLossOptions options_of(const Node& n) {
  ClassLossOptions options;
  options.weight = n.optional(2);
  options.ignore_index = n.integer("ignore_index", -100);
  const std::string reduction = n.text("reduction", "mean");
  options.reduction = reduction == "none" ? Reduction::None : reduction == "sum" ? Reduction::Sum : Reduction::Mean;
  return options;
}

}  // namespace

void add_losses(Operators& all) {
  all["NegativeLogLikelihoodLoss"] = [](const Node& n) -> Outputs {
    return {nll_loss(n[0], to(n[1], DType::Int64), options_of(n))};
  };
  all["SoftmaxCrossEntropyLoss"] = [](const Node& n) -> Outputs {
    return {cross_entropy(n[0], to(n[1], DType::Int64), options_of(n)), log_softmax(n[0], 1)};
  };
}

}  // namespace bevgrad::testing::onnx_nodes
