// A record's cameras: calibration and picture.
#pragma once
#include "data/record.h"
#include "data/record.pb.h"
#include "data/sample.h"

namespace bevgrad {

/// Corners of all polygons of a mask.
inline constexpr int kMostMaskCorners = 4096;

/// Fills in the calibration, not the picture.
void store_camera(const Camera& camera, const std::string& name, const std::string& group, records::Camera* out);
/// JPEG at `jpeg_quality`, or the pixels where it is 0, with their checksum.
void store_picture(const Tensor& image, int jpeg_quality, records::Camera* out);
void store_jpeg(std::string jpeg, records::Camera* out);

/// The calibration at the picture's stored size.
Camera load_camera(const records::Camera& stored, const RecordOrigin& origin);
/// Calibration and picture at height x width; the picture stays undefined where `load_image` is false.
CameraImage load_camera_image(const records::Camera& stored, int64_t height, int64_t width, bool load_image,
                              const RecordOrigin& origin);

/// Of a picture that a record lacks: black, under a calibration that sees no point.
CameraImage missing_camera_image(const std::string& name, int64_t height, int64_t width, bool load_image);

}  // namespace bevgrad
