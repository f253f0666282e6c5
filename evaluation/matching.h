// Which set cell lies nearest, within a distance.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace bevgrad {

/// Searches a mask around a cell. Exact for any distance: every offset within it is tried, nearest first (at 0.25 m and
/// cells of 0.2 m: the cell itself and its 4 neighbours); among equally near cells the first in row-major order wins.
class NearestCell {
 public:
  /// Both in metres. Throws where they are not positive and finite or the distance is over 1000 cells.
  NearestCell(double distance, double cell);

  struct Found {
    int64_t cell = -1;    ///< row-major index, -1 where there is none
    double distance = 0;  ///< metres between the centres
  };
  Found operator()(std::span<const uint8_t> mask, int64_t rows, int64_t columns, int64_t row, int64_t column) const {
    for (const Offset& o : offsets_) {
      const int64_t r = row + o.row, c = column + o.column;
      if (r >= 0 && r < rows && c >= 0 && c < columns && mask[r * columns + c]) return {r * columns + c, o.distance};
    }
    return {};
  }
  size_t num_offsets() const { return offsets_.size(); }

 private:
  struct Offset {
    int row, column;
    double distance;
  };
  std::vector<Offset> offsets_;
};

}  // namespace bevgrad
