// models/ holds the network: backbones, necks, the view transform, the LiDAR encoder, the fuser, temporal fusion, and
// the whole that is built of them and of the tasks' heads. Not here: layers (nn/), heads and what their maps mean
// (tasks/), training (train/), configuration files (configs/).
//
// This file: every dimension and switch of the network, as plain values. The defaults are the full-size network.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/full_size.h"

namespace bevgrad {

/// Cameras that share a backbone and a neck.
struct CameraGroupNetwork {
  std::string name;
  int64_t num_cameras = 1;
  int64_t height = 512;
  int64_t width = 960;
  /// Which of the backbone's layers 1..4 feed the neck, finest first and without a gap.
  std::vector<int> taps = {2, 3, 4};

  bool operator==(const CameraGroupNetwork&) const = default;
};

/// Ego-frame box and the BEV cell. Row = y, column = x. The output raster and the LiDAR pillars are four times as fine.
struct BevGrid {
  double x_min = full_size::kXMin, y_min = full_size::kYMin, z_min = full_size::kZMin;
  double x_max = full_size::kXMax, y_max = full_size::kYMax, z_max = full_size::kZMax;
  double cell = 0.8;

  int64_t rows() const;     ///< 56
  int64_t columns() const;  ///< 104
  double pillar() const { return cell / 4; }
  bool operator==(const BevGrid&) const = default;
};

struct LidarOptions {
  bool dynamic = false;         ///< every point counts: no slots, no limits (the next two)
  int64_t max_points = 48;      ///< slots of a pillar; the first points in input order take them
  int64_t max_pillars = 20000;  ///< a frame, in order of appearance
  int64_t vfe_channels = 64;
  /// mmdetection3d's default, in which x, y, z are replaced by the offsets from the pillar's centre.
  bool legacy = false;
  std::vector<int64_t> layers = {3, 5, 5};  ///< 3x3 convolutions after the strided one of each SECOND block
  std::vector<int64_t> channels = {64, 128, 256};
  int64_t neck_channels = 128;  ///< of each of SECONDFPN's three outputs

  bool operator==(const LidarOptions&) const = default;
};

struct TemporalOptions {
  int64_t history = 3;    ///< warped frames
  bool bilinear = false;  ///< how features are warped; nearest otherwise
  bool overlap = false;   ///< VGGBlock: the share of frames that have seen a cell is one more channel

  bool operator==(const TemporalOptions&) const = default;
};

/// Stride of a backbone layer's output: 4, 8, 16, 32 for layers 1..4; half of that without the stem's max pool.
int64_t layer_stride(int layer, bool stem_max_pool);

struct NetworkOptions {
  std::vector<CameraGroupNetwork> groups = {{"front_narrow", 1, 512, 960, {2, 3, 4}},
                                            {"front_wide", 1, 512, 960, {3, 4}},
                                            {"back", 1, 512, 960, {2, 3, 4}},
                                            {"sides", 4, 512, 960, {3, 4}}};
  /// Images are (RGB - image_mean) / image_std.
  std::array<double, 3> image_mean = {128, 128, 128};
  std::array<double, 3> image_std = {1, 1, 1};

  int64_t backbone_width = 64;                          ///< channels of the ResNet's layer1; layers 2..4 double it
  std::vector<int64_t> backbone_blocks = {3, 4, 6, 3};  ///< BasicBlocks of layers 1..4
  bool stem_max_pool = true;
  int64_t neck_channels = 128;
  int64_t bev_channels = 128;
  BevGrid grid;
  std::vector<double> view_heights = {-0.5, 0.0, 0.5, 1.5};
  LidarOptions lidar;
  TemporalOptions temporal;

  // What is built. A part that is switched off has no parameters.
  bool enable_lidar = true;
  bool enable_static_temporal = false;

  // How it computes.
  bool use_backbone_amp = true;  ///< bfloat16 in backbones and necks, float32 elsewhere
  bool use_head_amp = false;     ///< bfloat16 in temporal fusion and heads too; their outputs are float32
  bool cuda_graphs = false;      ///< on a GPU: camera trunks that need no gradient are recorded once and replayed
  /// Pixels that a camera trunk takes at once where no gradient is wanted (whole images, at least one): bounds the
  /// memory of a frozen trunk, whatever the batch. Eight times as many on a GPU. 0: all at once.
  int64_t trunk_chunk_pixels = 4 * 512 * 960;

  int64_t num_cameras() const;
  /// Throws UsageError naming the first value that no network can be built with. How large a value of a config may be
  /// is judged by configs/validate.h alone.
  void validate() const;
  bool operator==(const NetworkOptions&) const = default;
};

}  // namespace bevgrad
