// The functions that tests/torch/compare.py compares, by the names and arguments that it gives them.
#pragma once
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace bevgrad::testing {

/// From a case's inputs and named arguments to its outputs.
using Operation =
    std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs, const nlohmann::json& arguments)>;
const std::map<std::string, Operation>& operations();

}  // namespace bevgrad::testing
