// Lift-splat pooling: image features, spread along their rays by a distribution over depths, summed where they meet the
// cells of a bird's-eye-view grid. The frustum (every depth of every pixel with its feature) is never in memory.
#pragma once
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "bev/bev_sampling.h"

namespace bevgrad {

/// The depth bins `begin` .. `end` - 1 of a pixel's ray that lie in one cell.
struct LiftRun {
  int32_t image = 0;  ///< of all cameras of all groups: those of the groups before it come first
  int32_t pixel = 0;  ///< row * width + column
  int32_t cell = 0;   ///< row * columns + column
  int32_t begin = 0, end = 0;
};

/// Which cells the rays of a rig cross.
struct LiftTable {
  int64_t bins = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<BevSamplingGroup> groups;
  std::vector<LiftRun> runs;  ///< by image and pixel
};

/// A table made ready for pooling, in the order of the cells and in that of the pixels. Immutable; share it.
class LiftSplatting {
 public:
  /// Throws where a run names an image, pixel, cell or bin that is not there, or stands out of order.
  explicit LiftSplatting(const LiftTable& table);

  int64_t bins() const { return bins_; }
  int64_t rows() const { return rows_; }
  int64_t columns() const { return columns_; }
  const std::vector<BevSamplingGroup>& groups() const { return groups_; }
  /// [images + 1]: the first pixel of each image, counted over all of them.
  const std::vector<int64_t>& pixel_offsets() const { return pixel_offsets_; }

  /// Where a device reads the tables.
  struct Tables {
    const int64_t* cell_offsets;   ///< runs of cell i: by_cell[cell_offsets[i]] .. by_cell[cell_offsets[i + 1]]
    const LiftRun* by_cell;        ///< within a cell by image and pixel
    const int64_t* pixel_offsets;  ///< the same for pixels, counted over all images
    const LiftRun* by_pixel;
  };
  /// A GPU gets a copy with the first call, which is kept as long as this lives.
  Tables tables(Device device) const;

 private:
  struct DeviceCopy {
    Device device;
    Tensor cell_offsets, by_cell, pixel_offsets, by_pixel;
  };

  int64_t bins_, rows_, columns_;
  std::vector<BevSamplingGroup> groups_;
  std::vector<int64_t> pixel_offsets_;
  std::vector<LiftRun> by_pixel_, by_cell_;
  std::vector<int64_t> cell_run_offsets_, pixel_run_offsets_;
  mutable std::mutex mutex_;
  mutable std::vector<DeviceCopy> copies_;
};

/// depths: per group [N * cameras, bins, h, w], the weight of every bin of a pixel's ray; contexts: per group
/// [N * cameras, C, h, w] of the same dtype; both sample-major. splattings: one a sample, of equal grid, bins and
/// groups. -> [N,C,rows,columns]: in each cell the sum over all pixels and those of their bins that lie in it of
/// depth * context (Philion and Fidler, "Lift, splat, shoot", 2020; sums in float32, or float64 for float64). Every
/// cell, and in the backward pass every pixel, sums in a fixed order. At most 64 cameras.
Tensor lift_splat(const std::vector<Tensor>& depths, const std::vector<Tensor>& contexts,
                  const std::vector<std::shared_ptr<const LiftSplatting>>& splattings);

}  // namespace bevgrad
