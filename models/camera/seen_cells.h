// Which cells of the BEV grid each camera sees, and where: the other way round than a BevSamplingTable has it.
#pragma once
#include <cstdint>
#include <vector>

#include "bev/bev_sampling.h"

namespace bevgrad {

/// The cells, rising, of which a camera sees a height or more.
struct CameraCells {
  std::vector<int64_t> cells;
  std::vector<float> places;  ///< [cells, heights, 2]: x and y from 0 to 1 over the feature map
  std::vector<uint8_t> seen;  ///< [cells, heights]; a height that is not has the place 0 0
};

struct SeenCells {
  int64_t heights = 0, cell_count = 0;
  std::vector<BevSamplingGroup> groups;
  std::vector<std::vector<CameraCells>> cameras;  ///< per group
  std::vector<float> shares;                      ///< per cell 1 / cameras that see it; 0 where none does
};

SeenCells seen_cells(const BevSamplingTable& table);

/// What the cameras of a group see, of all samples of a batch; `length` cells a camera, the shorter lists filled up
/// with cells of which nothing is seen.
struct GroupCells {
  int64_t length = 0;
  Tensor rows;    ///< int64 [images * length]: sample * cells + cell
  Tensor places;  ///< float32 [images, length, heights, 2]
  Tensor seen;    ///< bool [images, length, heights]
};
GroupCells group_cells(const std::vector<std::shared_ptr<const SeenCells>>& samples, size_t group);

}  // namespace bevgrad
