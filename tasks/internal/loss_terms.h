// The terms of a task's loss, computed side by side.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "autograd/branches.h"
#include "tasks/task.h"

namespace bevgrad {

/// Terms none of which needs another's value: what they count over the processes of a batch goes in one message.
class LossTerms {
 public:
  void add(std::string name, double weight, std::function<Tensor()> value) {
    terms_.push_back({std::move(name), weight, {}});
    values_.push_back(std::move(value));
  }

  /// In the order in which they were added.
  std::vector<LossTerm> compute() && {
    std::vector<std::function<void()>> branches;
    for (size_t i = 0; i < values_.size(); ++i) branches.push_back([this, i] { terms_[i].value = values_[i](); });
    run_branches(branches);
    return std::move(terms_);
  }

 private:
  std::vector<LossTerm> terms_;
  std::vector<std::function<Tensor()>> values_;
};

}  // namespace bevgrad
