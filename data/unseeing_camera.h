// The calibration of a picture that is not there.
#pragma once
#include "geometry/camera.h"

namespace bevgrad {

/// A camera of the same size that sees no point.
Camera unseeing_camera(const Camera& like);

}  // namespace bevgrad
