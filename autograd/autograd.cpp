#include "autograd/autograd.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <numeric>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "autograd/anomaly.h"
#include "autograd/constant.h"
#include "autograd/gradient_hook.h"
#include "internal/leaf_list.h"
#include "tensor/profile.h"

namespace bevgrad {
namespace {

struct Node;

// The contents of a tensor's autograd slot.
struct Meta : tape::Slot {
  Tensor gradient;             // leaves only
  std::shared_ptr<Node> node;  // what made it; null for a leaf
  GradientHook hook;           // leaves only
};

// Sizes without memory of their own where the rank is usual: every recorded input has some.
class KeptSizes {
 public:
  void operator=(const Shape& sizes) {
    rank_ = sizes.size();
    if (rank_ > few_.size()) {
      many_ = sizes;
    } else {
      std::copy(sizes.begin(), sizes.end(), few_.begin());
    }
  }
  bool operator==(const Shape& other) const { return std::equal(begin(), begin() + rank_, other.begin(), other.end()); }
  Shape shape() const { return Shape(begin(), begin() + rank_); }

 private:
  const int64_t* begin() const { return rank_ > few_.size() ? many_.data() : few_.data(); }

  std::array<int64_t, 4> few_{};
  size_t rank_ = 0;
  Shape many_;
};

// Where an input's gradient goes: on to the node that made the input, or into a leaf.
struct Edge {
  std::shared_ptr<Node> node;
  std::shared_ptr<Meta> leaf;
  KeptSizes sizes;
  DType dtype = DType::Float32;
  Device device;

  bool wanted() const { return node || leaf; }
};

struct Node {
  const char* op;
  uint64_t sequence;              // later operations have higher numbers
  int64_t profiled;               // its number in a profile, or -1
  std::weak_ptr<Storage> output;  // its result's memory, and how often that had been written
  uint64_t output_version;
  std::vector<Edge> inputs;
  BackwardRule rule;
  // Instead of a rule: which part of its only input the result is.
  struct View {
    std::function<Tensor(const Tensor&)> part_of;
    MemoryFormat format;  // of the input
  };
  std::unique_ptr<View> view;
  std::unique_ptr<std::string> module;  // where it was recorded, while anomalies are looked for

  // A long chain of operations must not be destroyed by recursion.
  ~Node() {
    std::vector<Edge> pending = std::move(inputs);
    while (!pending.empty()) {
      const std::shared_ptr<Node> node = std::move(pending.back().node);
      pending.pop_back();
      if (node && node.use_count() == 1) {
        for (Edge& edge : node->inputs) pending.push_back(std::move(edge));
        node->inputs.clear();
      }
    }
  }
};

thread_local std::vector<Tensor>* leaf_list = nullptr;  // LeafList
std::atomic<uint64_t> next_sequence{0};
std::atomic<int64_t> hooks{0};

std::shared_ptr<Meta> meta_of(const Tensor& tensor) {
  return tensor.defined() ? std::static_pointer_cast<Meta>(tensor.autograd_slot()) : nullptr;
}

Meta& make_meta(const Tensor& tensor) {
  auto& slot = tensor.autograd_slot();
  if (!slot) slot = std::make_shared<Meta>();
  return *std::static_pointer_cast<Meta>(slot);
}

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
    } else if (is_own(sum)) {
      ops::add_(sum, gradient);
    } else {
      sum = ops::add(sum, gradient);
    }
  }
};

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
  return ops::sum_to(gradient, to);
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

// Visits every edge into a leaf that a pass from `root` reaches, with the node that it leads to.
template <class Visit>
void visit_leaves(const std::shared_ptr<Node>& root, Visit visit) {
  std::vector<const Node*> pending = {root.get()};
  std::unordered_set<const Node*> seen = {root.get()};
  while (!pending.empty()) {
    const Node* node = pending.back();
    pending.pop_back();
    for (const Edge& edge : node->inputs) {
      if (edge.leaf) visit(*edge.leaf, *node);
      if (edge.node && seen.insert(edge.node.get()).second) pending.push_back(edge.node.get());
    }
  }
}

// How many gradients are still to come for each leaf that has a hook.
class HookCounts {
 public:
  explicit HookCounts(const std::shared_ptr<Node>& root) {
    if (hooks == 0) return;
    visit_leaves(root, [this](Meta& leaf, const Node&) {
      if (leaf.hook) ++left_[&leaf];
    });
  }
  void arrived(Meta& leaf) {
    const auto found = left_.find(&leaf);
    if (found != left_.end() && --found->second == 0) leaf.hook(leaf.gradient);
  }

 private:
  std::unordered_map<Meta*, int64_t> left_;
};

}  // namespace

bool requires_grad(const Tensor& tensor) {
  if (!tensor.defined()) return false;
  const auto& slot = tensor.autograd_slot();
  return slot && slot->requires_grad;
}

void set_requires_grad(const Tensor& tensor, bool wanted) {
  check(!wanted || is_floating_point(tensor.dtype()), "set_requires_grad: {} is not a floating-point tensor",
        describe(tensor));
  Meta& meta = make_meta(tensor);
  check(!meta.node, "set_requires_grad: the tensor is the result of {}, not a leaf", meta.node ? meta.node->op : "");
  meta.requires_grad = wanted;
}

Tensor grad(const Tensor& tensor) {
  const auto meta = meta_of(tensor);
  return meta ? meta->gradient : Tensor();
}

void set_grad(const Tensor& tensor, const Tensor& gradient) {
  make_meta(tensor).gradient = gradient;
}

void set_gradient_hook(const Tensor& leaf, GradientHook hook) {
  Meta& meta = make_meta(leaf);
  check(!meta.node, "set_gradient_hook: the tensor is the result of {}, not a leaf", meta.node ? meta.node->op : "");
  hooks += static_cast<int64_t>(static_cast<bool>(hook)) - static_cast<int64_t>(static_cast<bool>(meta.hook));
  meta.hook = std::move(hook);
}

CompletionOrder completion_order(const Tensor& output, const std::vector<Tensor>& leaves) {
  // A gradient is complete when the earliest recorded of its consumers has run back.
  std::unordered_map<const Meta*, uint64_t> earliest;
  if (const auto root = meta_of(output); root && root->node) {
    visit_leaves(root->node, [&earliest](const Meta& leaf, const Node& node) {
      const auto [entry, is_new] = earliest.try_emplace(&leaf, node.sequence);
      if (!is_new) entry->second = std::min(entry->second, node.sequence);
    });
  }
  CompletionOrder result;
  result.order.resize(leaves.size());
  std::iota(result.order.begin(), result.order.end(), size_t{0});
  std::vector<uint64_t> keys;
  for (const Tensor& leaf : leaves) {
    const auto found = earliest.find(meta_of(leaf).get());
    keys.push_back(found == earliest.end() ? UINT64_MAX : found->second);
    result.unreached += found == earliest.end();
  }
  std::stable_sort(result.order.begin(), result.order.end(), [&](size_t a, size_t b) { return keys[a] > keys[b]; });
  return result;
}

Tensor detach(const Tensor& tensor) {
  return Tensor(tensor.storage(), tensor.offset(), tensor.sizes(), tensor.strides(), tensor.dtype());
}

bool grad_enabled() {
  return tape::state().recording;
}

GradModeGuard::GradModeGuard(bool enabled) : previous_(grad_enabled()) {
  tape::state().recording = enabled;
}
GradModeGuard::~GradModeGuard() {
  tape::state().recording = previous_;
}

LeafList::LeafList() : previous_(leaf_list) {
  leaf_list = &leaves_;
}
LeafList::~LeafList() {
  leaf_list = previous_;
}

bool will_record(const std::vector<Tensor>& inputs) {
  if (!grad_enabled()) return false;
  for (const Tensor& input : inputs)
    if (requires_grad(input)) return true;
  return false;
}

void check_constant(const char* op, std::initializer_list<tape::Argument> arguments) {
  if (!grad_enabled()) return;
  for (const tape::Argument& argument : arguments)
    check(!requires_grad(argument.tensor), "{}: {} requires a gradient, which is not provided", op, argument.name);
}

Tensor record(const char* op, Tensor output, std::vector<Tensor> inputs, BackwardRule rule) {
  const int64_t profiled = profile::operation_done(op, output);
  if (anomaly::is_on()) anomaly::check_result(op, output, inputs);
  if (!will_record(inputs)) return output;
  auto node = std::make_shared<Node>();
  node->op = op;
  node->sequence = next_sequence++;
  node->profiled = profiled;
  node->output = output.storage();
  node->output_version = output.storage()->version;
  node->rule = std::move(rule);
  node->inputs.reserve(inputs.size());
  if (anomaly::is_on()) node->module = std::make_unique<std::string>(anomaly::module_path());
  for (const Tensor& input : inputs) {
    Edge edge;
    if (requires_grad(input)) {
      auto meta = meta_of(input);
      if (meta->node) {
        edge.node = meta->node;
      } else {
        if (leaf_list && std::none_of(leaf_list->begin(), leaf_list->end(),
                                      [&](const Tensor& known) { return known.is_same(input); }))
          leaf_list->push_back(input);
        edge.leaf = std::move(meta);
      }
      edge.sizes = input.sizes();
      edge.dtype = input.dtype();
      edge.device = input.device();
    }
    node->inputs.push_back(std::move(edge));
  }
  // An output that is a view of, or the same handle as, an input must not overwrite that input's slot.
  if (output.autograd_slot()) output = detach(output);
  Meta& meta = make_meta(output);
  meta.requires_grad = true;
  meta.op = op;
  meta.node = std::move(node);
  return output;
}

Tensor record_view(const char* op, const Tensor& input, std::function<Tensor(const Tensor&)> view) {
  Tensor output = record(op, view(input), {input}, nullptr);
  if (const auto meta = meta_of(output); meta && meta->node) {
    meta->node->view = std::make_unique<Node::View>(Node::View{std::move(view), input.suggested_format()});
  }
  return output;
}

Saved::Saved(const Tensor& tensor) {
  if (!tensor.defined()) return;
  // A leaf as it is, which costs least. A result would hold its node: its own in a circle where it is about to be
  // recorded, and those before it in a chain that ~Node could not take apart.
  const auto& slot = tensor.autograd_slot();
  tensor_ = slot && !slot->op ? tensor : detach(tensor);
  version_ = tensor.storage()->version;
  op_ = tape::state().op;
}

const Tensor& Saved::get() const {
  if (!tensor_.defined() || tensor_.storage()->version == version_) return tensor_;
  const char* op = op_ ? op_ : tape::state().op;
  fail("backward{}{}: {} that it saved for the backward pass has been written in place since", op ? " of " : "",
       op ? op : "", describe(tensor_));
}

void backward(const Tensor& output, const Tensor& dy) {
  const auto root = meta_of(output);
  check(root && root->requires_grad, "backward: {} does not depend on a tensor that requires a gradient",
        describe(output));
  check(dy.defined() || output.numel() == 1, "backward: {} is no scalar, give its gradient", describe(output));
  Tensor first = dy.defined() ? dy : ops::reshape(ones({1}, {output.dtype(), {}, output.device()}), output.sizes());
  check(first.sizes() == output.sizes() && first.dtype() == output.dtype(),
        "backward: the gradient is {}, the output {}", describe(first), describe(output));

  NoGradGuard no_grad;
  if (!root->node) {
    accumulate_into_leaf(*root, std::move(first));
    if (root->hook) root->hook(root->gradient);
    return;
  }
  HookCounts hook_counts(root->node);
  // Every consumer of a node's output was recorded later than the node, so taking the highest number first is a
  // topological order, and the same one each time.
  auto earlier = [](const std::shared_ptr<Node>& a, const std::shared_ptr<Node>& b) {
    return a->sequence < b->sequence;
  };
  std::priority_queue<std::shared_ptr<Node>, std::vector<std::shared_ptr<Node>>, decltype(earlier)> ready(earlier);
  std::unordered_map<Node*, Pending> pending;
  pending[root->node.get()].accumulate(first);
  first = Tensor();
  ready.push(root->node);
  while (!ready.empty()) {
    const std::shared_ptr<Node> node = ready.top();
    ready.pop();
    const auto entry = pending.find(node.get());
    Tensor gradient = std::move(entry->second.sum);
    pending.erase(entry);

    check(node->rule || node->view, "backward of {}: its tape has been used by an earlier backward pass", node->op);
    if (const auto result = node->output.lock())
      check(result->version == node->output_version,
            "backward of {}: its result has been written in place since it was computed, of which the gradient knows "
            "nothing: write a new tensor instead (a pointer from data<T>() is a write, data<const T>() is not)",
            node->op);
    std::vector<bool> needs;
    for (const Edge& edge : node->inputs) needs.push_back(edge.wanted());
    const profile::BackwardScope profiled(node->op, node->profiled, gradient);
    const Tensor dy = anomaly::is_on() ? gradient : Tensor();
    const tape::EngineScope scope(node->op);
    if (node->view) {
      Edge& edge = node->inputs[0];
      if (anomaly::is_on()) anomaly::check_gradients(node->op, node->module ? *node->module : "", dy, {});
      if (edge.leaf) {
        {
          const std::lock_guard lock(mutex_of(*edge.leaf));
          accumulate_part(*node, gradient, edge.leaf->gradient, true);
        }
        hook_counts.arrived(*edge.leaf);
      } else {
        auto [slot, is_new] = pending.try_emplace(edge.node.get());
        accumulate_part(*node, gradient, slot->second.sum, false);
        if (is_new) ready.push(edge.node);
      }
      node->view = nullptr;
      node->inputs.clear();
      continue;
    }
    const uint64_t version = gradient.storage()->version;
    Grads grads = node->rule(gradient, NeedsGrad(std::move(needs)));
    check(gradient.storage()->version == version,
          "backward of {}: its rule writes in place to the gradient that it is given, which others share", node->op);
    if (anomaly::is_on()) anomaly::check_gradients(node->op, node->module ? *node->module : "", dy, grads);
    gradient = Tensor();
    node->rule = nullptr;
    check(grads.size() == node->inputs.size(), "backward of {}: {} gradients were returned for {} inputs", node->op,
          grads.size(), node->inputs.size());
    for (size_t i = 0; i < grads.size(); ++i) {
      Edge& edge = node->inputs[i];
      if (!edge.wanted()) continue;
      check(grads[i].defined(), "backward of {}: no gradient was returned for input {}", node->op, i);
      Tensor arrived = checked(*node, i, edge, grads[i]);
      grads[i] = Tensor();
      if (edge.leaf) {
        accumulate_into_leaf(*edge.leaf, std::move(arrived));
        hook_counts.arrived(*edge.leaf);
      } else {
        auto [slot, is_new] = pending.try_emplace(edge.node.get());
        slot->second.accumulate(std::move(arrived));
        if (is_new) ready.push(edge.node);
      }
    }
    node->inputs.clear();
  }
}

}  // namespace bevgrad
