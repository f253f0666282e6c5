// data/scene/: samples from nothing. A layout (layout.h) is a place with marks, walls and vehicles; a drive (drive.h)
// moves through it; the sensors (camera_view.h, lidar_view.h) look by ray casting; the labels are what the layout
// knows. The same options and seeds give the same bits, whatever thread they are made on.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/label_schema.h"
#include "data/sample.h"
#include "data/scene/drive.h"
#include "data/scene/layout.h"
#include "data/scene/lidar_view.h"

namespace bevgrad {

/// A camera of the rig at the size that its pictures are stored.
struct SceneCamera {
  std::string name;
  Camera camera;
};

struct SceneOptions {
  std::vector<SceneCamera> cameras;  ///< in the order that samples list them
  LabelSchema labels;                ///< with box_attributes, vehicles show them (DriveOptions::signals)
  bool has_lidar = true;
  scene::LidarOptions lidar;
  scene::DriveOptions drive;
  double night = 0.25;     ///< share of drives at night
  double parking = 0.5;    ///< share of parking areas; the rest are streets
  double occluders = 0.6;  ///< how full of vehicles, 0..1
  /// Shares of drives in rain (not indoors: streaks in the air, drops on the lenses, wet ground), with dirt on the
  /// lenses, and, of those by day and outdoors in dry weather, against a low sun.
  double rain = 0, dirt = 0, glare = 0;
  double image_noise = 3;     ///< standard deviation in grey levels by day; half as much again at night
  double mount_angle = 0.3;   ///< degrees by which each vehicle's cameras are turned off their nominal mounting
  double mount_shift = 0.01;  ///< metres by which they are shifted
  /// Dashed lines are labelled dash by dash; true labels them through their gaps.
  bool bridge_gaps = false;
  double ground_cell = 0.05;  ///< metres a texel of the ground's picture
  /// What Labels::visibility calls the window: temporal fusion's intervals and tolerance, in seconds.
  std::vector<double> window = {0.7, 1.9, 3.3};
  double window_tolerance = 0.1;
};

/// Throws UsageError naming what is out of range.
void validate(const SceneOptions& options);

enum class Split { Train, Val };

/// The layout of a split's n-th drive. Seeds of the two splits differ in their highest bit, so that train and val never
/// share a place, whatever `seed` is.
uint64_t layout_seed(uint64_t seed, Split split, uint64_t index);

/// A drive through one layout, made frame by frame.
class SceneDrive {
 public:
  /// `sequence` is what the samples carry; everything else follows from the options and the layout's seed.
  SceneDrive(const SceneOptions& options, uint64_t layout_seed, int64_t sequence);
  ~SceneDrive();
  SceneDrive(SceneDrive&&) noexcept;
  SceneDrive& operator=(SceneDrive&&) noexcept;

  const scene::Layout& layout() const;
  const scene::Drive& drive() const;

  /// The next frame, in time order; nothing after the last. Keys are "<sequence>/<frame>", six and four digits;
  /// `dataset` is the kind of place, "street" or "parking". kSeenInWindow holds what is seen now, too.
  std::optional<Sample> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bevgrad
