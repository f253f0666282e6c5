#include "autograd/autograd.h"

#include <algorithm>
#include <atomic>

#include "autograd/anomaly.h"
#include "autograd/constant.h"
#include "internal/node.h"
#include "tensor/leaf_list.h"
#include "tensor/profile.h"

namespace bevgrad {

using tape::Edge;
using tape::make_meta;
using tape::Meta;
using tape::meta_of;
using tape::Node;

namespace {

std::atomic<uint64_t> next_sequence{0};

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
        if (tape::LeafList* list = tape::leaf_list()) list->add(input);
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

}  // namespace bevgrad
