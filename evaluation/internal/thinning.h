// Thinning of a binary raster to lines one cell wide.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace bevgrad {

/// Guo-Hall thinning (Guo and Hall, "Parallel thinning with two-subiteration algorithms", CACM 1989; the same as
/// OpenCV's ximgproc::thinning with THINNING_GUOHALL) of a row-major mask of 0 and non-0. Cells beyond the border count
/// as empty, so the border itself is thinned too. Returns a mask of 0 and 1.
std::vector<uint8_t> thin_guo_hall(std::span<const uint8_t> mask, int64_t rows, int64_t columns);

}  // namespace bevgrad
