// Another picture from a camera, and the calibration that goes with it.
#pragma once
#include <array>

#include "data/augmentation/ego_change.h"
#include "geometry/camera.h"
#include "tensor/random.h"

namespace bevgrad {

struct CameraImage;

/// How a picture lies in its frame. Its size stays; what comes from beyond the old one is black.
struct CameraChange {
  double zoom = 1;     ///< above 1 the picture is enlarged and its edges are cut off
  double shift_u = 0;  ///< by which it is moved to the right and down, as shares of its width and height
  double shift_v = 0;
  double roll = 0;  ///< radians by which it is turned about the optical axis, clockwise
};

/// How its pixels look.
struct PictureChange {
  bool dropped = false;                      ///< black: the camera has failed
  double contrast = 1;                       ///< about mid-grey
  double saturation = 1;                     ///< 0: grey
  std::array<double, 3> offset = {0, 0, 0};  ///< grey levels, a channel
  double blur = 0;                           ///< standard deviation in pixels, up to 3
  double noise = 0;                          ///< standard deviation in grey levels
  int jpeg_quality = 0;                      ///< what compressing it once more leaves; 0: not compressed
};

/// Takes the camera into the changed ego frame (mirrored with its world) and changes how the picture lies: pixels,
/// intrinsics, distortion and extrinsics together, so that a place of the changed ego frame is projected to the pixel
/// that shows it. All of it is one bilinear sampling of the picture.
void change_camera(CameraImage& camera, const CameraChange& change, const EgoChange& ego);

/// Changes the pixels alone. `generator` draws the noise.
void change_picture(CameraImage& camera, const PictureChange& change, Generator& generator);

}  // namespace bevgrad
