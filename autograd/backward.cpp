// The backward pass.
#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "autograd/anomaly.h"
#include "autograd/batch_sync.h"
#include "autograd/double_backward.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "autograd/functions/shape.h"
#include "autograd/grad.h"
#include "internal/late_sums.h"
#include "internal/node.h"
#include "internal/ready_nodes.h"
#include "internal/running_rule.h"
#include "internal/visit_edges.h"
#include "tensor/profile.h"
#include "tensor/thread_scopes.h"

namespace bevgrad {

using tape::Edge;
using tape::Ends;
using tape::make_meta;
using tape::Meta;
using tape::meta_of;
using tape::Node;
using tape::visit_edges;

namespace {

std::atomic<int64_t> hooks{0};

// Nobody else sees its memory, nor any element another.
bool is_own(const Tensor& tensor) {
  return tensor.is_unique() && tensor.is_contiguous(tensor.suggested_format());
}

// A gradient that has arrived but whose node has not run yet.
struct Pending {
  Tensor sum;

  void accumulate(Tensor gradient) {
    if (!sum.defined()) {
      sum = std::move(gradient);
    } else if (grad_enabled()) {
      sum = add(sum, gradient);
    } else if (is_own(sum)) {
      ops::add_(sum, gradient);
    } else {
      sum = ops::add(sum, gradient);
    }
  }
};

// ops::sum_to in a recorded pass.
Tensor recorded_sum_to(const Tensor& gradient, const Shape& to) {
  const size_t added = gradient.sizes().size() - to.size();
  std::vector<int> dims;
  for (size_t i = 0; i < gradient.sizes().size(); ++i)
    if (i < added || to[i - added] != gradient.sizes()[i]) dims.push_back(static_cast<int>(i));
  return reshape(dims.empty() ? gradient : sum(gradient, dims), to);
}

// Brings what a rule returned for one input to that input's shape, or says which rule is wrong.
Tensor checked(const Node& node, size_t input, const Edge& edge, const Tensor& gradient) {
  if (gradient.dtype() != edge.dtype || gradient.device() != edge.device)
    fail("backward of {}: the gradient of input {} is {}, expected {} on {}", node.op, input, describe(gradient),
         name(edge.dtype), to_string(edge.device));
  if (edge.sizes == gradient.sizes()) return gradient;
  const Shape &from = gradient.sizes(), to = edge.sizes.shape();
  bool reducible = from.size() >= to.size();
  for (size_t i = 0; reducible && i < to.size(); ++i) {
    const int64_t wanted = to[to.size() - 1 - i];
    reducible = wanted == 1 || wanted == from[from.size() - 1 - i];
  }
  check(reducible, "backward of {}: the gradient of input {} has shape {}, expected {}", node.op, input,
        to_string(from), to_string(to));
  return grad_enabled() ? recorded_sum_to(gradient, to) : ops::sum_to(gradient, to);
}

// The gradient of a view as that of its input, in a recorded pass: 0 beside the view's part.
Tensor recorded_part(const Node& node, const Tensor& gradient) {
  const Edge& edge = node.inputs[0];
  const tape::EngineScope scope(node.op);
  const Tensor whole = zeros(edge.sizes.shape(), {edge.dtype, node.view->format, edge.device});
  ops::copy_(node.view->part_of(whole), gradient);
  return record(node.op, whole, {gradient},
                twice([op = node.op, part_of = node.view->part_of](const Tensor& dy, const NeedsGrad&) {
                  return Grads{rule::is_recorded() ? record_view(op, dy, part_of) : part_of(dy)};
                }));
}

// Adds the gradient of a view to its part of the input's gradient.
void accumulate_part(const Node& node, const Tensor& gradient, Tensor& sum, bool in_place) {
  const Edge& edge = node.inputs[0];
  if (!sum.defined()) {
    sum = zeros(edge.sizes.shape(), {edge.dtype, node.view->format, edge.device});
    ops::copy_(node.view->part_of(sum), gradient);
    return;
  }
  if (!in_place && !is_own(sum)) sum = ops::clone(sum);
  ops::add_(node.view->part_of(sum), gradient);
}

// Held while a leaf's gradient is added to: several threads may run passes into the same leaves. One of a few, as else
// every recorded tensor would carry one.
std::mutex& mutex_of(const Meta& leaf) {
  static std::array<std::mutex, 32> mutexes;
  return mutexes[std::hash<const void*>()(&leaf) / sizeof(Meta) % mutexes.size()];
}

void accumulate_into_leaf(Meta& leaf, Tensor gradient) {
  const std::lock_guard lock(mutex_of(leaf));
  if (leaf.gradient.defined()) {
    ops::add_(leaf.gradient, gradient);
  } else {
    // A rule may hand the same memory to several inputs or elements; a leaf's gradient is its own.
    leaf.gradient = is_own(gradient) ? std::move(gradient) : ops::clone(gradient);
  }
}

// How many gradients are still to come for each leaf that has a hook.
class HookCounts {
 public:
  explicit HookCounts(const std::shared_ptr<Node>& root) {
    if (hooks == 0) return;
    visit_edges(root, [this](const Edge& edge, const Node&) {
      if (edge.leaf && edge.leaf->hook) ++left_[edge.leaf.get()];
    });
  }
  void arrived(Meta& leaf) {
    const auto found = left_.find(&leaf);
    if (found != left_.end() && --found->second == 0) leaf.hook(leaf.gradient);
  }
  void add(const Ends& ends) {
    if (hooks == 0) return;
    for (const auto& [leaf, count] : ends.leaves)
      if (leaf->hook) left_[leaf] += count;
  }

 private:
  std::unordered_map<Meta*, int64_t> left_;
};

// What autograd::grad wants to know: gradients of chosen leaves and results, instead of those of all leaves.
class Targets {
 public:
  explicit Targets(const std::vector<Tensor>& inputs) {
    for (const Tensor& input : inputs) sums_[key(input)];
  }
  static const void* key(const Tensor& tensor) {
    const auto meta = meta_of(tensor);
    return meta && meta->node ? static_cast<const void*>(meta->node.get()) : meta.get();
  }
  /// The gradient that a leaf or a node collects; null where it is not asked for.
  Tensor* find(const void* leaf_or_node) {
    const auto found = sums_.find(leaf_or_node);
    return found == sums_.end() ? nullptr : &found->second;
  }
  const Tensor& gradient(const Tensor& input) { return sums_[key(input)]; }
  void add(const void* leaf_or_node, const Tensor& gradient) {
    Tensor* sum = find(leaf_or_node);
    if (!sum) return;
    if (!sum->defined()) {
      *sum = gradient;
    } else {
      *sum = grad_enabled() ? bevgrad::add(*sum, gradient) : ops::add(*sum, gradient);
    }
  }
  /// Whether the edge leads to something that is asked for.
  bool leads_there(const Edge& edge) const {
    return edge.leaf ? sums_.contains(edge.leaf.get()) : edge.node && on_the_way_.contains(edge.node.get());
  }
  /// Marks what lies between `root` and the targets.
  void mark_way(const std::shared_ptr<Node>& root) {
    std::vector<const Node*> found = {root.get()};
    std::unordered_set<const Node*> seen = {root.get()};
    for (size_t i = 0; i < found.size(); ++i)
      for (const Edge& edge : found[i]->inputs)
        if (edge.node && seen.insert(edge.node.get()).second) found.push_back(edge.node.get());
    std::sort(found.begin(), found.end(), [](const Node* a, const Node* b) { return a->sequence < b->sequence; });
    for (const Node* node : found)
      if (sums_.contains(node) ||
          std::any_of(node->inputs.begin(), node->inputs.end(), [this](const Edge& edge) { return leads_there(edge); }))
        on_the_way_.insert(node);
  }

 private:
  std::unordered_map<const void*, Tensor> sums_;
  std::unordered_set<const Node*> on_the_way_;
};

// The gradient that a pass begins with at `output`.
Tensor first_gradient(const char* op, const Tensor& output, const Tensor& dy) {
  const auto meta = meta_of(output);
  check(
      meta && meta->requires_grad,
      "{}: {} does not depend on a tensor that requires a gradient (a gradient itself does where it was computed with "
      "create_graph)",
      op, describe(output));
  check(dy.defined() || output.numel() == 1, "{}: {} is no scalar, give its gradient", op, describe(output));
  if (!dy.defined()) return ops::reshape(ones({1}, {output.dtype(), {}, output.device()}), output.sizes());
  check(dy.sizes() == output.sizes() && dy.dtype() == output.dtype(), "{}: the gradient is {}, the output {}", op,
        describe(dy), describe(output));
  return dy;
}

// What a stretch (Node::again) gives in its second run, with `needs` of its inputs differentiated.
Tensor computed_again(const Node& node, const std::vector<bool>& needs, const Tensor& gradient) {
  std::vector<std::shared_ptr<tape::Slot>> slots(needs.size());
  for (size_t i = 0; i < needs.size(); ++i) {
    const Edge& edge = node.inputs[i];
    if (!needs[i]) continue;
    slots[i] = edge.leaf;
    if (edge.leaf) continue;
    auto meta = std::make_shared<Meta>();
    meta->requires_grad = true;
    meta->op = edge.node->op;
    meta->node = edge.node;
    slots[i] = std::move(meta);
  }
  Tensor result = node.again(slots);
  check(result.sizes() == gradient.sizes() && result.dtype() == gradient.dtype(),
        "backward of {}: the second run gives {}, the gradient is {}", node.op, describe(result), describe(gradient));
  return result;
}

using Roots = std::vector<std::pair<std::shared_ptr<Node>, Tensor>>;

// A node whose rule has run but for what follows a sum over the processes.
struct Waiting {
  std::shared_ptr<Node> node;
  std::vector<bool> needs;
  Tensor dy;
  Grads grads;
  tape::LateSums::Request request;
};

// Runs the tape back from the roots with their gradients: into all leaves, or into `targets` alone. Where operations
// are recorded (create_graph) so are the gradients.
void run_back(Roots roots, Targets* targets, bool retain_graph) {
  std::optional<HookCounts> hook_counts;
  if (!targets) hook_counts.emplace(roots[0].first);
  // Processes with plans of their own of what is computed again would put different sums into a message.
  tape::LateSums late(targets == nullptr && batch_sync() != nullptr && !thread_scopes().plan);
  tape::ReadyNodes ready(roots[0].first, late.is_on());
  std::vector<Waiting> waiting;
  std::unordered_map<Node*, Pending> pending;
  for (auto& [root, first] : roots) {
    auto [slot, is_new] = pending.try_emplace(root.get());
    slot->second.accumulate(std::move(first));
    if (is_new) ready.push(root);
  }
  roots.clear();
  const auto deliver = [&](const Edge& edge, Tensor gradient) {
    if (edge.leaf && targets) {
      targets->add(edge.leaf.get(), gradient);
    } else if (edge.leaf) {
      accumulate_into_leaf(*edge.leaf, std::move(gradient));
      hook_counts->arrived(*edge.leaf);
    } else {
      auto [slot, is_new] = pending.try_emplace(edge.node.get());
      slot->second.accumulate(std::move(gradient));
      ready.arrived(edge.node, is_new);
    }
  };
  const auto deliver_all = [&](Node& node, const std::vector<bool>& needs, const Tensor& dy, Grads grads) {
    if (anomaly::is_on()) anomaly::check_gradients(node.op, node.module ? *node.module : "", dy, grads);
    for (size_t i = 0; i < grads.size(); ++i) {
      if (!needs[i]) continue;
      check(grads[i].defined(), "backward of {}: no gradient was returned for input {}", node.op, i);
      Tensor arrived = checked(node, i, node.inputs[i], grads[i]);
      grads[i] = Tensor();  // the only handle is passed on: a leaf takes the memory as it is
      deliver(node.inputs[i], std::move(arrived));
    }
    if (!retain_graph) node.inputs.clear();
  };
  const auto finish_waiting = [&] {
    std::vector<Tensor> sums;
    for (const Waiting& one : waiting) sums.push_back(one.request.sums);
    batch_sync()->sum_tensors(sums);
    for (Waiting& one : std::exchange(waiting, {})) {
      const profile::BackwardScope profiled(one.node->op, one.node->profiled, one.dy);
      const tape::EngineScope scope(one.node->op);
      one.request.then();
      one.request = {};
      deliver_all(*one.node, one.needs, one.dy, std::move(one.grads));
    }
  };
  while (!ready.empty() || !waiting.empty()) {
    if (ready.empty()) {
      finish_waiting();
      continue;
    }
    const std::shared_ptr<Node> node = ready.take();
    const auto entry = pending.find(node.get());
    Tensor gradient = std::move(entry->second.sum);
    pending.erase(entry);

    if (targets) {
      targets->add(node.get(), gradient);
      if (std::none_of(node->inputs.begin(), node->inputs.end(),
                       [&](const Edge& edge) { return targets->leads_there(edge); }))
        continue;
    }
    check(
        node->rule || node->view || node->again,
        "backward of {}: its tape has been used by an earlier backward pass; to go back twice, add the outputs or pass "
        "retain_graph",
        node->op);
    if (const auto result = node->output.lock())
      check(result->version == node->output_version,
            "backward of {}: its result has been written in place since it was computed, of which the gradient knows "
            "nothing: write a new tensor instead (a pointer from data<T>() is a write, data<const T>() is not)",
            node->op);
    std::vector<bool> needs;
    for (const Edge& edge : node->inputs) needs.push_back(targets ? targets->leads_there(edge) : edge.wanted());
    check(!grad_enabled() || node->is_twice_differentiable || node->view,
          "autograd::grad: create_graph: {} has no double backward, its rule is not made of differentiable functions",
          node->op);
    // What is computed again is profiled as what it is.
    if (node->again) {
      const tape::EngineScope scope(node->op);
      Edge root;
      {
        const auto meta = meta_of(computed_again(*node, needs, gradient));
        if (meta && meta->requires_grad) {
          root.node = meta->node;
          if (!meta->node) root.leaf = meta;
        }
      }
      if (!retain_graph) node->again = nullptr;
      const Ends ends(root, node->sequence);
      if (targets && root.node) targets->mark_way(root.node);
      if (hook_counts) hook_counts->add(ends);
      ready.add(ends);
      if (root.wanted()) deliver(root, std::move(gradient));
      for (size_t i = 0; i < needs.size(); ++i) {
        const Edge& edge = node->inputs[i];
        if (!needs[i]) continue;
        const bool is_used = edge.leaf ? ends.leaves.contains(edge.leaf.get()) : ends.before.contains(edge.node.get());
        // What is used gets its gradients from the new tape, none from this edge.
        if (!is_used) {
          deliver(edge, zeros(edge.sizes.shape(), {edge.dtype, {}, edge.device}));
        } else if (!edge.leaf) {
          ready.arrived(edge.node, false);
        } else if (hook_counts) {
          hook_counts->arrived(*edge.leaf);
        }
      }
      if (!retain_graph) node->inputs.clear();
      continue;
    }
    const profile::BackwardScope profiled(node->op, node->profiled, gradient);
    const Tensor dy = anomaly::is_on() ? gradient : Tensor();
    const tape::EngineScope scope(node->op);
    if (node->view) {
      Edge& edge = node->inputs[0];
      if (anomaly::is_on()) anomaly::check_gradients(node->op, node->module ? *node->module : "", dy, {});
      if (grad_enabled()) {
        deliver(edge, recorded_part(*node, gradient));
      } else if (edge.leaf && targets) {
        accumulate_part(*node, gradient, *targets->find(edge.leaf.get()), false);
      } else if (edge.leaf) {
        {
          const std::lock_guard lock(mutex_of(*edge.leaf));
          accumulate_part(*node, gradient, edge.leaf->gradient, true);
        }
        hook_counts->arrived(*edge.leaf);
      } else {
        auto [slot, is_new] = pending.try_emplace(edge.node.get());
        accumulate_part(*node, gradient, slot->second.sum, false);
        ready.arrived(edge.node, is_new);
      }
      if (!retain_graph) {
        node->view = nullptr;
        node->inputs.clear();
      }
      continue;
    }
    const uint64_t version = gradient.storage()->version;
    Grads grads;
    if (grad_enabled()) {
      // What it does to tensors on the tape is recorded: a plain operation throws.
      const tape::UserScope recorded;
      const tape::RunningRule running(node);
      grads = node->rule(gradient, NeedsGrad(needs));
    } else {
      grads = node->rule(gradient, NeedsGrad(needs));
    }
    check(gradient.storage()->version == version,
          "backward of {}: its rule writes in place to the gradient that it is given, which others share", node->op);
    gradient = Tensor();
    if (!retain_graph) node->rule = nullptr;
    check(grads.size() == node->inputs.size(), "backward of {}: {} gradients were returned for {} inputs", node->op,
          grads.size(), node->inputs.size());
    if (tape::LateSums::Request request = late.take(); request.then) {
      waiting.push_back({node, std::move(needs), dy, std::move(grads), std::move(request)});
    } else {
      deliver_all(*node, needs, dy, std::move(grads));
    }
  }
}

}  // namespace

void set_gradient_hook(const Tensor& leaf, GradientHook hook) {
  Meta& meta = make_meta(leaf);
  check(!meta.node, "set_gradient_hook: the tensor is the result of {}, not a leaf", meta.node ? meta.node->op : "");
  hooks += static_cast<int64_t>(static_cast<bool>(hook)) - static_cast<int64_t>(static_cast<bool>(meta.hook));
  meta.hook = std::move(hook);
}

void backward(const Tensor& output, const Tensor& dy) {
  backward(output, dy, false);
}

void backward(const Tensor& output, const Tensor& dy, bool retain_graph) {
  Tensor first = first_gradient("backward", output, dy);
  const auto root = meta_of(output);
  const NoGradGuard no_grad;
  if (!root->node) {
    accumulate_into_leaf(*root, std::move(first));
    if (root->hook) root->hook(root->gradient);
    return;
  }
  Roots roots;
  roots.emplace_back(root->node, std::move(first));
  run_back(std::move(roots), nullptr, retain_graph);
}

Grads autograd::grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                     const GradOptions& options) {
  check(options.grad_outputs.empty() || options.grad_outputs.size() == outputs.size(),
        "autograd::grad: {} outputs and {} grad_outputs", outputs.size(), options.grad_outputs.size());
  for (size_t i = 0; i < inputs.size(); ++i)
    check(requires_grad(inputs[i]), "autograd::grad: input {} does not require a gradient", i);
  Targets targets(inputs);
  Roots roots;
  const GradModeGuard recorded(options.create_graph);
  for (size_t i = 0; i < outputs.size(); ++i) {
    Tensor first =
        first_gradient("autograd::grad", outputs[i], options.grad_outputs.empty() ? Tensor() : options.grad_outputs[i]);
    const auto meta = meta_of(outputs[i]);
    if (meta->node) {
      targets.mark_way(meta->node);
      roots.emplace_back(meta->node, std::move(first));
    } else {
      targets.add(meta.get(), first);
    }
  }
  run_back(std::move(roots), &targets, options.retain_graph || options.create_graph);
  Grads grads;
  for (size_t i = 0; i < inputs.size(); ++i) {
    grads.push_back(targets.gradient(inputs[i]));
    check(grads.back().defined() || options.allow_unused, "autograd::grad: no output depends on input {} ({})", i,
          describe(inputs[i]));
  }
  return grads;
}

}  // namespace bevgrad
