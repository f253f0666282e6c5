#include "tensor/tape.h"

#include <algorithm>

#include "tensor/leaf_list.h"
#include "tensor/thread_scopes.h"

namespace bevgrad {

namespace {

constinit thread_local ThreadScopes scopes;

}  // namespace

ThreadScopes& thread_scopes() {
  return scopes;
}

namespace tape {
namespace {

bool is_recorded(const Tensor& tensor) {
  const auto& slot = tensor.autograd_slot();
  return slot && slot->requires_grad;
}

// The differentiable function to write instead of ops::`op`.
std::string_view recorded_name(std::string_view op) {
  if (op == "view") return "reshape";
  if (op == "max_with_index") return "max";
  if (op == "sum_to") return "sum";
  return op;
}

[[noreturn]] void refuse(std::string_view op, const Argument& argument) {
  const Slot& slot = *argument.tensor.autograd_slot();
  const std::string what =
      fmt::format("ops::{}: {} ({}, {}{}) requires a gradient", op, argument.name, describe(argument.tensor),
                  slot.op ? "the result of " : "a leaf", slot.op ? slot.op : "");
  if (op.ends_with('_'))
    fail(
        "{}, and a write in place is not recorded: write y = {}(..) where the gradient is wanted, or write under a "
        "NoGradGuard, as an optimizer does",
        what, op.substr(0, op.size() - 1));
  fail(
      "{}, and ops:: is not recorded: write {}(..) where the gradient is wanted, detach({}) or a NoGradGuard where it "
      "is not; the body of a differentiable function begins with an OpScope",
      what, recorded_name(op), argument.name);
}

}  // namespace

State& state() {
  return scopes.tape;
}

void check_defined(std::string_view op, std::initializer_list<Argument> arguments) {
  for (const Argument& argument : arguments) check(argument.tensor.defined(), "{}: {} is undefined", op, argument.name);
  if (scopes.leaves && scopes.tape.recording) {
    for (const Argument& argument : arguments)
      if (is_recorded(argument.tensor) && !argument.tensor.autograd_slot()->op) scopes.leaves->add(argument.tensor);
  }
}

LeafList* leaf_list() {
  return scopes.leaves;
}

LeafList::LeafList() : previous_(scopes.leaves) {
  scopes.leaves = this;
}
LeafList::~LeafList() {
  scopes.leaves = previous_;
}

void LeafList::add(const Tensor& leaf) {
  // A leaf may have several handles (rule::input makes them).
  const auto is_known = [&](const Tensor& known) { return known.autograd_slot() == leaf.autograd_slot(); };
  if (std::none_of(leaves_.begin(), leaves_.end(), is_known)) leaves_.push_back(leaf);
}

PlainOp::PlainOp(std::string_view op, std::initializer_list<Argument> arguments) {
  check_defined(op, arguments);
  if (scopes.tape.recording && scopes.tape.depth == 0) {
    for (const Argument& argument : arguments)
      if (is_recorded(argument.tensor)) refuse(op, argument);
  }
  ++scopes.tape.depth;
}
PlainOp::~PlainOp() {
  --scopes.tape.depth;
}

EngineScope::EngineScope(const char* op) : previous_(scopes.tape.op) {
  scopes.tape.op = op;
  ++scopes.tape.depth;
}
EngineScope::~EngineScope() {
  scopes.tape.op = previous_;
  --scopes.tape.depth;
}

UserScope::UserScope() : previous_(scopes.tape) {
  scopes.tape.depth = 0;
  scopes.tape.op = nullptr;
}
UserScope::~UserScope() {
  scopes.tape.depth = previous_.depth;
  scopes.tape.op = previous_.op;
}

}  // namespace tape
}  // namespace bevgrad
