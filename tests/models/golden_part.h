// A part of the network against PyTorch, with its gradients.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "nn/module.h"
#include "support/devices.h"
#include "support/golden.h"

namespace bevgrad::testing {

using Tensors = std::vector<Tensor>;

/// Outputs, and the gradients of inputs and parameters, on every device. Parameters that make_parts.py's
/// case() has no gradient of have none here.
inline void expect_golden(const std::map<std::string, Tensor>& golden, const std::string& name, Module& module,
                          const std::vector<std::pair<std::string, Shape>>& inputs,
                          const std::function<Tensors(const Tensors&)>& forward) {
  for (const Device device : test_devices()) {
    SCOPED_TRACE(name + " on " + to_string(device));
    golden_fill(module.state_dict(name));
    module.move_to(device);
    Tensors leaves;
    for (const auto& [input, sizes] : inputs) {
      leaves.push_back(ops::to(golden_tensor(name + "." + input, sizes), device));
      set_requires_grad(leaves.back(), true);
    }
    const Tensors outputs = forward(leaves);
    Tensor total;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string number = std::to_string(i);
      EXPECT_LT(relative_error(detach(outputs[i]), golden.at(name + ".y" + number)), 2e-5) << "output " << i;
      const Tensor dy = ops::to(golden_tensor(name + ".dy" + number, outputs[i].sizes()), device);
      const Tensor share = sum(mul(outputs[i], dy));
      total = total.defined() ? add(total, share) : share;
    }
    backward(total);
    for (size_t i = 0; i < inputs.size(); ++i)
      EXPECT_LT(relative_error(grad(leaves[i]), golden.at(name + ".d." + inputs[i].first)), 2e-4) << inputs[i].first;
    for (const auto& [parameter, tensor] : module.named_parameters()) {
      const Tensor g = ops::to(ops::to(grad(tensor), Device()), DType::Float64);
      const Tensor probe = ops::to(golden_tensor(name + ".probe." + parameter, tensor.sizes()), DType::Float64);
      const std::vector<double> expected = golden.at(name + ".grad." + parameter).to_vector();
      const double norm = std::sqrt(ops::sum(ops::mul(g, g)).item()), product = ops::sum(ops::mul(g, probe)).item();
      // A key's bias has no gradient but what rounding leaves.
      const double tolerance = 2e-4 * std::max(expected[0], 1e-2);
      EXPECT_NEAR(norm, expected[0], tolerance) << parameter;
      EXPECT_NEAR(product, expected[1], tolerance * std::sqrt(static_cast<double>(g.numel()))) << parameter;
      set_grad(tensor, {});
    }
  }
}

}  // namespace bevgrad::testing
