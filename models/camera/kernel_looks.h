// The pixels around the projections of the BEV grid's cells.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "models/camera/bev_projection.h"

namespace bevgrad {

/// A kernel of pixels around the one that a point at this height falls into; its sizes are odd.
struct KernelSpec {
  int64_t rows = 7, columns = 1;
  double height = 0;  ///< metres

  int64_t places() const { return rows * columns; }
};

/// A pixel of a camera's map, and the place of the kernel that lies on it.
struct KernelPixel {
  int32_t group = 0, camera = 0, pixel = 0, place = 0;
};

/// Those of each cell: pixels[offsets[cell]] .. pixels[offsets[cell + 1]].
struct KernelLooks {
  std::vector<BevSamplingGroup> groups;
  std::vector<int64_t> offsets;
  std::vector<KernelPixel> pixels;
};

/// What of a kernel lies beyond the map is not there. `cameras` in the groups' order.
KernelLooks kernel_looks(const BevGrid& grid, const KernelSpec& kernel, const Rig& rig);

/// The kernels of a batch, all as long as the longest.
struct KernelBatch {
  int64_t length = 0;  ///< at least 1
  Tensor rows;         ///< int64 [N * cells * length]: row of all groups' maps, which lie one after the other
  Tensor places;       ///< int64 [N * cells * length]
  Tensor seen;         ///< bool [N, cells, length, 1]: false for what fills a kernel up
};
KernelBatch kernel_batch(const std::vector<std::shared_ptr<const KernelLooks>>& samples);

}  // namespace bevgrad
