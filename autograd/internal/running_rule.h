// Whose rule is at work in a recorded backward pass, for autograd/double_backward.h. Private to autograd/.
#pragma once
#include <memory>

#include "internal/node.h"

namespace bevgrad::tape {

/// While it lives, rule::input and rule::result of this thread speak of `node`.
class RunningRule {
 public:
  explicit RunningRule(const std::shared_ptr<Node>& node);
  ~RunningRule();
  RunningRule(const RunningRule&) = delete;
  RunningRule& operator=(const RunningRule&) = delete;

 private:
  const std::shared_ptr<Node>* previous_;
};

}  // namespace bevgrad::tape
