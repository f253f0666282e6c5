// Every differentiable function.
#pragma once
#include "autograd/functions/activations.h"     // IWYU pragma: export
#include "autograd/functions/arrange.h"         // IWYU pragma: export
#include "autograd/functions/batch_norm.h"      // IWYU pragma: export
#include "autograd/functions/cells.h"           // IWYU pragma: export
#include "autograd/functions/channel_scale.h"   // IWYU pragma: export
#include "autograd/functions/conv.h"            // IWYU pragma: export
#include "autograd/functions/conv_transpose.h"  // IWYU pragma: export
#include "autograd/functions/dropout.h"         // IWYU pragma: export
#include "autograd/functions/elementary.h"      // IWYU pragma: export
#include "autograd/functions/grid_sample.h"     // IWYU pragma: export
#include "autograd/functions/indexing.h"        // IWYU pragma: export
#include "autograd/functions/interpolate.h"     // IWYU pragma: export
#include "autograd/functions/layer_norm.h"      // IWYU pragma: export
#include "autograd/functions/linear.h"          // IWYU pragma: export
#include "autograd/functions/operators.h"       // IWYU pragma: export
#include "autograd/functions/pointwise.h"       // IWYU pragma: export
#include "autograd/functions/pool.h"            // IWYU pragma: export
#include "autograd/functions/products.h"        // IWYU pragma: export
#include "autograd/functions/reduce.h"          // IWYU pragma: export
#include "autograd/functions/shape.h"           // IWYU pragma: export
#include "autograd/functions/softmax.h"         // IWYU pragma: export
#include "autograd/functions/statistics.h"      // IWYU pragma: export
#include "autograd/functions/where.h"           // IWYU pragma: export
