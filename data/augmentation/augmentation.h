// Random changes of training samples in which pixels, places and calibrations keep fitting together.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "data/augmentation/camera_change.h"
#include "data/augmentation/ego_change.h"
#include "data/label_schema.h"
#include "data/sample.h"

namespace bevgrad {

/// The defaults change nothing. "Up to" a number is uniform from -number to +number, "at most" one from 0.
struct AugmentationOptions {
  // Pictures, each camera by itself.
  double zoom_min = 1, zoom_max = 1;
  double picture_shift = 0;  ///< up to this share of width and height
  double roll = 0;           ///< up to so many radians
  double brightness = 0;     ///< up to so many grey levels
  double tint = 0;           ///< the same, for each channel by itself
  double contrast = 0;       ///< 1 up to so much more or less
  double saturation = 0;     ///< 1 up to so much more or less
  double blur = 0;           ///< at most, pixels
  double noise = 0;          ///< at most, grey levels
  int jpeg_quality_min = 0;  ///< compressed once more at this to 95; 0: never
  double drop_camera = 0;    ///< probability that a camera sees nothing
  // What is known of the rig and of the time.
  double camera_turn = 0;       ///< extrinsics are wrong by up to so many radians about each axis
  double camera_offset = 0;     ///< and by up to so many metres along each
  double timestamp_jitter = 0;  ///< up to so many seconds; below half the time between two frames
  double drop_lidar = 0;        ///< probability that a frame has no point
  // The ground. Mirror and scale are drawn once an epoch for a sequence.
  double mirror = 0;  ///< probability
  double scale_min = 1, scale_max = 1;
  double yaw = 0;                   ///< up to so many radians
  double shift_x = 0, shift_y = 0;  ///< up to so many metres
  double shift_step = 0;            ///< metres that a shift is a multiple of; 0: any

  bool operator==(const AugmentationOptions&) const = default;
  /// Whether pictures, points, calibrations or time stamps change, which features that are computed already cannot.
  bool changes_inputs() const;
  /// Throws UsageError naming the first impossible value.
  void validate() const;
};

/// What a sample is changed by is a function of the seed, its entry (or its sequence) in the dataset and the epoch, so
/// that neither the number of workers nor a resume makes a difference.
class Augmentation {
 public:
  Augmentation(const AugmentationOptions& options, const LabelSchema& labels, uint64_t seed);

  const AugmentationOptions& options() const { return options_; }
  /// `entry`: the sample's in its dataset. Returns by what its places were changed. Thread-safe.
  EgoChange apply(Sample& sample, int64_t entry, int64_t epoch) const;

 private:
  EgoChange draw_ego_change(const Sample& sample, int64_t entry, int64_t epoch) const;
  /// Returns how it really lies now; what is stored may be believed wrongly.
  Camera change_camera(CameraImage& camera, const EgoChange& ego, Generator generator) const;

  AugmentationOptions options_;
  LabelSchema labels_;
  uint64_t seed_;
};

}  // namespace bevgrad
