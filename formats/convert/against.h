// How well a file's parameters fit a model's.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

struct ExpectedTensor {
  std::string name;
  Shape sizes;
};

struct MatchReport {
  struct Module {
    size_t matching = 0;
    std::vector<std::string> missing;
    std::vector<std::string> unexpected;
    std::vector<std::string> other_shape;  // one line each
  };
  /// By the first part of the name, the model's modules first and in its order.
  std::vector<std::pair<std::string, Module>> modules;

  std::string text(const std::string& file, const std::string& model) const;
};

MatchReport match_against(const std::vector<NamedTensor>& tensors, const std::vector<ExpectedTensor>& expected);

}  // namespace bevgrad
