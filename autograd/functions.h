// Every differentiable function.
#pragma once
#include "autograd/functions/pointwise.h"  // IWYU pragma: export
#include "autograd/functions/reduce.h"     // IWYU pragma: export
#include "autograd/functions/shape.h"      // IWYU pragma: export
