// nuScenes' LiDAR files: rows of float32 x, y, z, intensity (0 to 255) and more.
#pragma once
#include <string>

#include "internal/nuscenes/info.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// What was odd in the clouds of an import, over all frames. Each has the first file that it was found in.
struct CloudRemarks {
  struct Oddity {
    int64_t files = 0;
    std::string first;

    void add(const std::string& path) {
      if (files++ == 0) first = path;
    }
  };
  Oddity at_origin;     ///< every point lies at the sensor's origin
  Oddity unit_already;  ///< intensities from 0 to 1
  Oddity too_bright;    ///< intensities below 0 or above 255, which were cut
};

/// float32 [P,4] in the ego frame with intensities from 0 to 1. Returns that are not finite and those at the sensor's
/// origin are left out; a file without one that is left gives an empty cloud and a remark. Refused are files that are
/// no whole number of points, that hold none, and those whose fourth number cannot be an intensity (a time stamp, say).
Tensor read_cloud(const InfoFrame& frame, const std::string& path, CloudRemarks* remarks);

}  // namespace bevgrad
