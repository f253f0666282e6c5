// Whether a camera's calibration can be what it says it is.
#pragma once
#include <string>
#include <vector>

#include "data/check/findings.h"
#include "geometry/camera.h"

namespace bevgrad {

struct CameraRemark {
  Severity severity;
  std::string id;    ///< what kind of remark it is
  std::string what;  ///< one line, without the camera's name
};

/// - the principal point outside the picture, or far off its middle as of a picture of another size
/// - a camera below the ground, more than 5 m off the ego's origin, on its side or on its head, or whose extrinsics go
///   the other way (ego to sensor)
/// - a lens whose distortion folds back within the picture or its stated field of view
std::vector<CameraRemark> check_camera(const Camera& camera);

}  // namespace bevgrad
