// What the task "covered" learns: which cells of the BEV feature a labelled box covers.
#pragma once
#include <bevgrad/train.h>

namespace lab {

/// uint8 [N,1,rows,columns]: 1 where a box covers the cell's centre, kIgnoredTarget in samples without labelled boxes.
bevgrad::Tensor covered_labels(const bevgrad::Batch& batch, const bevgrad::config::Grid& grid, int64_t rows,
                               int64_t columns);

}  // namespace lab
