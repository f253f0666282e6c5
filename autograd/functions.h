// Every differentiable function.
#pragma once
#include "autograd/functions/batch_norm.h"      // IWYU pragma: export
#include "autograd/functions/cells.h"           // IWYU pragma: export
#include "autograd/functions/channel_scale.h"   // IWYU pragma: export
#include "autograd/functions/conv.h"            // IWYU pragma: export
#include "autograd/functions/conv_transpose.h"  // IWYU pragma: export
#include "autograd/functions/grid_sample.h"     // IWYU pragma: export
#include "autograd/functions/interpolate.h"     // IWYU pragma: export
#include "autograd/functions/linear.h"          // IWYU pragma: export
#include "autograd/functions/pointwise.h"       // IWYU pragma: export
#include "autograd/functions/pool.h"            // IWYU pragma: export
#include "autograd/functions/reduce.h"          // IWYU pragma: export
#include "autograd/functions/shape.h"           // IWYU pragma: export
#include "autograd/functions/softmax.h"         // IWYU pragma: export
