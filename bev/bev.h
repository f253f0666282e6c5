// Room `bev`: the differentiable operations of bird's-eye-view perception: sampling camera features into a grid and
// spreading them over it, warps between ego frames, pillars. Not here: camera models (geometry/), layers with
// parameters (models/).
#pragma once
#include "bev/bev_sampling.h"  // IWYU pragma: export
#include "bev/lift_splat.h"    // IWYU pragma: export
#include "bev/segment_max.h"   // IWYU pragma: export
#include "bev/warp.h"          // IWYU pragma: export
