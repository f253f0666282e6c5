#include "autograd/double_backward.h"

#include "autograd/functions/shape.h"
#include "autograd/grad.h"
#include "internal/running_rule.h"

namespace bevgrad {

using tape::Edge;
using tape::make_meta;
using tape::Meta;
using tape::Node;

namespace {

constinit thread_local const std::shared_ptr<Node>* running = nullptr;

Tensor as_result_of(const std::shared_ptr<Node>& node, const Tensor& values) {
  const Tensor shown = detach(values);
  Meta& meta = make_meta(shown);
  meta.requires_grad = true;
  meta.op = node->op;
  meta.node = node;
  return shown;
}

}  // namespace

tape::RunningRule::RunningRule(const std::shared_ptr<Node>& node) : previous_(running) {
  running = &node;
}
tape::RunningRule::~RunningRule() {
  running = previous_;
}

Tensor record(const char* op, Tensor output, std::vector<Tensor> inputs, TwiceDifferentiable rule) {
  Tensor y = record(op, std::move(output), std::move(inputs), std::move(rule.rule));
  if (const auto meta = tape::meta_of(y); meta && meta->node) meta->node->is_twice_differentiable = true;
  return y;
}

bool rule::is_recorded() {
  return running && grad_enabled();
}

Tensor rule::input(size_t place, const Tensor& values) {
  if (!is_recorded()) return values;
  const Node& node = **running;
  const Edge& edge = node.inputs.at(place);
  if (!edge.wanted()) return values;
  check(edge.sizes == values.sizes() && edge.dtype == values.dtype(),
        "double backward of {}: input {} was {} where it was computed, expected {} {}", node.op, place,
        describe(values), name(edge.dtype), to_string(edge.sizes.shape()));
  if (edge.node) return as_result_of(edge.node, values);
  const Tensor shown = detach(values);
  shown.autograd_slot() = edge.leaf;
  return shown;
}

Tensor rule::result(const Tensor& values) {
  return is_recorded() ? as_result_of(*running, values) : values;
}

Grads rule::gradients_of(const std::function<Tensor(const std::vector<Tensor>&)>& same,
                         const std::vector<Tensor>& inputs, const Tensor& dy, const NeedsGrad& needs) {
  // One tensor may be several inputs: each has a node of its own here.
  std::vector<Tensor> apart, wanted;
  for (size_t i = 0; i < inputs.size(); ++i) {
    apart.push_back(needs[i] ? reshape(inputs[i], inputs[i].sizes()) : inputs[i]);
    if (needs[i]) wanted.push_back(apart.back());
  }
  const Grads found = autograd::grad({same(apart)}, wanted, {.grad_outputs = {dy}, .create_graph = true});
  Grads grads(inputs.size());
  for (size_t i = 0, next = 0; i < inputs.size(); ++i)
    if (needs[i]) grads[i] = found[next++];
  return grads;
}

}  // namespace bevgrad
