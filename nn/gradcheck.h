// The gradient check of autograd/gradcheck.h for modules.
#pragma once
#include "autograd/gradcheck.h"
#include "nn/module.h"

namespace bevgrad {

/// Compares the gradients of `forward` with respect to its inputs and to every parameter of `module` that is not frozen
/// with central differences. The module and its floating-point inputs are float64 while it lasts; afterwards the
/// module has its dtype, its values and its buffers back.
///
///   EXPECT_EQ(gradcheck("fuser", fuser, [&](auto& x) { return fuser.forward(x[0]); }, {generator.normal({2, 3, 4,
///   5})}), "");
///
/// Returns "" or what is wrong, as the other does; parameters are called by their names.
std::string gradcheck(const std::string& op, Module& module,
                      const std::function<Tensor(const std::vector<Tensor>&)>& forward,
                      const std::vector<Tensor>& inputs, GradcheckOptions options = {});

}  // namespace bevgrad
