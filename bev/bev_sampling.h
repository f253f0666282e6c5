// Sampling of image features into a bird's-eye-view grid, through a table of where each cell's points fall in the
// images. The table depends on the calibration and the feature sizes alone, so it is made once per rig and kept.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// The feature maps of one camera group: how many cameras, and each map's size.
struct BevSamplingGroup {
  int64_t cameras = 0;
  int64_t height = 0;
  int64_t width = 0;
  bool operator==(const BevSamplingGroup&) const = default;
};

/// One camera's view of a point. u, v: position on the feature map in its pixels (the centre of the first is 0,0);
/// outside [0, width-1] x [0, height-1] the border's value is taken.
struct BevLook {
  int32_t group = 0;
  int32_t camera = 0;  ///< within the group
  float u = 0;
  float v = 0;
};

/// What each point of the grid sees. Points are numbered height-major: (z * rows + row) * columns + column.
struct BevSamplingTable {
  int64_t heights = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<BevSamplingGroup> groups;
  std::vector<int64_t> offsets;  ///< [points + 1]: point p's looks are looks[offsets[p]] .. looks[offsets[p + 1]]
  std::vector<BevLook> looks;
};

/// A table made ready for sampling: four taps a look, and the way back from pixels to points. Immutable; share it.
class BevSampling {
 public:
  /// Throws where the table names a group or camera that is not there, or a position that is no number.
  explicit BevSampling(const BevSamplingTable& table);

  int64_t heights() const { return heights_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  const std::vector<BevSamplingGroup>& groups() const { return groups_; }

  struct Tap {
    int32_t image;  // of all cameras of all groups: first[group] + camera
    int32_t pixel;  // row * width + column
    float weight;   // bilinear weight / number of cameras that see the point
  };
  struct BackTap {
    int32_t point;
    float weight;
  };
  /// Where a device reads the tables.
  struct Tables {
    /// Taps of point p: taps[tap_offsets[p]] .. taps[tap_offsets[p + 1]].
    const int64_t* tap_offsets;
    const Tap* taps;
    /// Points that tapped pixel i of an image, i counted over all images from pixel_offsets[image].
    const int64_t* back_offsets;
    const BackTap* back_taps;
  };
  /// A GPU gets a copy with the first call, which is kept as long as this lives.
  Tables tables(Device device) const;
  /// [images + 1]
  const std::vector<int64_t>& pixel_offsets() const { return pixel_offsets_; }

 private:
  struct DeviceCopy {
    Device device;
    Tensor tap_offsets, taps, back_offsets, back_taps;
  };

  int64_t heights_, rows_, columns_;
  std::vector<BevSamplingGroup> groups_;
  std::vector<int64_t> tap_offsets_;
  std::vector<Tap> taps_;
  std::vector<int64_t> pixel_offsets_;  // [images + 1]
  std::vector<int64_t> back_offsets_;   // [all pixels + 1]
  std::vector<BackTap> back_taps_;
  mutable std::mutex mutex_;
  mutable std::vector<DeviceCopy> copies_;
};

/// features: per group [N * cameras, C, h, w], sample-major; samplings: one per sample, of equal grid and groups.
/// -> [N, heights * C, rows, columns], channel z * C + c: the mean over the cameras that see the point of the
/// bilinearly sampled features, 0 where none does. bfloat16 features give a float32 result. The backward pass sums each
/// pixel's contributions in a fixed order. At most 64 cameras.
Tensor bev_sample(const std::vector<Tensor>& features,
                  const std::vector<std::shared_ptr<const BevSampling>>& samplings);

}  // namespace bevgrad
