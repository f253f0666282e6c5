// Recurrent layers. ONNX has all directions in one tensor, and its gates in another order.
#include "nn/recurrent.h"
#include "autograd/functions.h"
#include "onnx_nodes/node.h"

namespace bevgrad::testing::onnx_nodes {
namespace {

/// Gates of rows [gates hidden,..] in this order.
Tensor ordered(const Tensor& rows, const std::vector<int64_t>& gates) {
  const std::vector<Tensor> pieces = chunk(rows, static_cast<int64_t>(gates.size()), 0);
  std::vector<Tensor> result;
  for (const int64_t gate : gates) result.push_back(pieces[static_cast<size_t>(gate)]);
  return cat(result, 0);
}

struct Layer {
  RecurrentSpec spec;
  bool batch_first = false;
  bool reversed = false;  // the one direction is the way back
};

Layer layer_of(const Node& n) {
  const std::string direction = n.text("direction", "forward");
  needs(!n.has("activations"), "other activations");
  needs(!n.has("clip"), "clipping of gates");
  if (n.has(4)) {  // sequence_lens
    for (const int64_t length : integers_of(n[4])) {
      needs(length == n[0].size(n.integer("layout", 0) != 0 ? 1 : 0), "sequences of several lengths");
    }
  }
  Layer layer;
  layer.batch_first = n.integer("layout", 0) != 0;
  layer.reversed = direction == "reverse";
  layer.spec.input_size = n[1].size(2);
  layer.spec.hidden_size = n.integer("hidden_size", 0);
  layer.spec.bidirectional = direction == "bidirectional";
  return layer;
}

void load(const Module& module, const Node& n, const std::vector<int64_t>& gates) {
  const auto count = static_cast<int64_t>(gates.size()) * n.integer("hidden_size", 0);
  for (const auto& [name, value] : module.state_dict()) {
    const int64_t direction = name.ends_with("_reverse") ? 1 : 0;
    Tensor from;
    if (name.starts_with("weight")) {
      from = select(n[name.starts_with("weight_ih") ? 1 : 2], 0, direction);
    } else if (n.has(3)) {
      from = narrow(select(n[3], 0, direction), 0, name.starts_with("bias_ih") ? 0 : count, count);
    } else {
      from = zeros(value.sizes());
    }
    ops::copy_(detach(value), ordered(from, gates));
  }
}

/// [L,N,directions H] as ONNX has it: [L,directions,N,H], or [N,L,directions,H] by layout 1.
Tensor as_sequence(const Tensor& output, int64_t directions, bool batch_first) {
  const Tensor y = reshape(output, {output.size(0), output.size(1), directions, output.size(2) / directions});
  return batch_first ? permute(y, {1, 0, 2, 3}) : permute(y, {0, 2, 1, 3});
}

Tensor turned(const Tensor& state, bool batch_first) {
  return batch_first && state.defined() ? transpose(state, 0, 1) : state;
}

Outputs lstm(const Node& n) {
  const Layer layer = layer_of(n);
  needs(!n.has(7), "peepholes");
  LSTM module(layer.spec);
  load(module, n, {0, 2, 3, 1});  // input, output, forget, cell
  const Tensor x = turned(n[0], layer.batch_first);
  const auto [output, h, c] =
      module.forward(layer.reversed ? flip(x, {0}) : x, turned(n.optional(5), layer.batch_first),
                     turned(n.optional(6), layer.batch_first));
  const Tensor y = as_sequence(layer.reversed ? flip(output, {0}) : output, n[1].size(0), layer.batch_first);
  return {y, turned(h, layer.batch_first), turned(c, layer.batch_first)};
}

Outputs gru(const Node& n) {
  const Layer layer = layer_of(n);
  const Tensor x = turned(n[0], layer.batch_first);
  if (n.integer("linear_before_reset", 0) == 0) {  // the same only where the state is 0 all along
    bool biased = false;
    if (n.has(3)) {
      const Tensor hidden_bias = narrow(n[3], 1, n[3].size(1) / 2, n[3].size(1) / 2);
      biased = any(ne(hidden_bias, 0.0));
    }
    needs(x.size(0) == 1 && !n.has(5) && !biased, "the reset gate before the hidden product");
  }
  GRU module(layer.spec);
  load(module, n, {1, 0, 2});  // update, reset, new
  const auto [output, h] = module.forward(layer.reversed ? flip(x, {0}) : x, turned(n.optional(5), layer.batch_first));
  const Tensor y = as_sequence(layer.reversed ? flip(output, {0}) : output, n[1].size(0), layer.batch_first);
  return {y, turned(h, layer.batch_first)};
}

}  // namespace

void add_recurrent(Operators& all) {
  all["LSTM"] = lstm;
  all["GRU"] = gru;
}

}  // namespace bevgrad::testing::onnx_nodes
