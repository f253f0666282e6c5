// The tape's nodes, as recording and the backward pass see them. Private to autograd/.
#pragma once
#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/gradient_hook.h"

namespace bevgrad::tape {

struct Node;
struct Remake;

// The contents of a tensor's autograd slot.
struct Meta : Slot {
  Tensor gradient;                 // leaves only
  std::shared_ptr<Node> node;      // what made it; null for a leaf
  GradientHook hook;               // leaves only
  std::shared_ptr<Remake> remake;  // how a result is had again instead of being kept (internal/remake.h)
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
  bool is_twice_differentiable = false;  // the rule can be recorded (autograd/double_backward.h)
  // Instead of a rule: which part of its only input the result is.
  struct View {
    std::function<Tensor(const Tensor&)> part_of;
    MemoryFormat format;  // of the input
  };
  std::unique_ptr<View> view;
  // Instead of a rule: computes the result again, recorded, from inputs in whose slots these are put (null: of one that
  // wants no gradient). The pass goes on in that tape, which ends where this node's edges lead.
  std::function<Tensor(const std::vector<std::shared_ptr<Slot>>& inputs)> again;
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

inline std::shared_ptr<Meta> meta_of(const Tensor& tensor) {
  return tensor.defined() ? std::static_pointer_cast<Meta>(tensor.autograd_slot()) : nullptr;
}

inline Meta& make_meta(const Tensor& tensor) {
  auto& slot = tensor.autograd_slot();
  if (!slot) slot = std::make_shared<Meta>();
  return *std::static_pointer_cast<Meta>(slot);
}

}  // namespace bevgrad::tape
