// Lion (Chen et al., "Symbolic discovery of optimization algorithms", 2023).
#pragma once
#include <bevgrad/train.h>

namespace lab {

bevgrad::OptimizerKind lion();

}  // namespace lab
