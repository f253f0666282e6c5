#include "internal/thinning.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace bevgrad {
namespace {

/// For the eight neighbours as bits (bit 0 = north, then clockwise): whether sub-iteration `pass` deletes the cell.
bool deletes(int neighbours, int pass) {
  const auto bit = [&](int i) { return (neighbours >> i) & 1; };
  const int p2 = bit(0), p3 = bit(1), p4 = bit(2), p5 = bit(3), p6 = bit(4), p7 = bit(5), p8 = bit(6), p9 = bit(7);
  const int transitions =
      ((1 - p2) & (p3 | p4)) + ((1 - p4) & (p5 | p6)) + ((1 - p6) & (p7 | p8)) + ((1 - p8) & (p9 | p2));
  const int pairs_from_north = (p2 | p3) + (p4 | p5) + (p6 | p7) + (p8 | p9);
  const int pairs_to_north = (p9 | p2) + (p3 | p4) + (p5 | p6) + (p7 | p8);
  const int pairs = std::min(pairs_from_north, pairs_to_north);
  const int keep = pass == 0 ? ((p6 | p7 | (1 - p9)) & p8) : ((p2 | p3 | (1 - p5)) & p4);
  return transitions == 1 && pairs >= 2 && pairs <= 3 && keep == 0;
}

using DeletionTable = std::array<std::array<uint8_t, 256>, 2>;

const DeletionTable& deletion_table() {
  static const DeletionTable table = [] {
    DeletionTable t{};
    for (int pass = 0; pass < 2; ++pass)
      for (int neighbours = 0; neighbours < 256; ++neighbours) t[pass][neighbours] = deletes(neighbours, pass);
    return t;
  }();
  return table;
}

}  // namespace

std::vector<uint8_t> thin_guo_hall(std::span<const uint8_t> mask, int64_t rows, int64_t columns) {
  check(rows >= 0 && columns >= 0 && mask.size() == static_cast<size_t>(rows * columns),
        "thin_guo_hall: a mask of {} cells for {} x {}", mask.size(), rows, columns);
  const auto& table = deletion_table();
  // A border of empty cells spares the inner loop its bounds checks.
  const int64_t stride = columns + 2;
  std::vector<uint8_t> padded(static_cast<size_t>(stride * (rows + 2)), 0);
  std::vector<int64_t> alive, doomed;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      if (mask[r * columns + c]) {
        const int64_t at = (r + 1) * stride + c + 1;
        padded[at] = 1;
        alive.push_back(at);
      }
  const std::array<int64_t, 8> around = {-stride, -stride + 1, 1, stride + 1, stride, stride - 1, -1, -stride - 1};
  bool changed = true;
  while (changed) {
    changed = false;
    for (int pass = 0; pass < 2; ++pass) {
      doomed.clear();
      for (const int64_t at : alive) {
        int neighbours = 0;
        for (int i = 0; i < 8; ++i) neighbours |= padded[at + around[i]] << i;
        if (table[pass][neighbours]) doomed.push_back(at);
      }
      for (const int64_t at : doomed) padded[at] = 0;
      if (doomed.empty()) continue;
      changed = true;
      std::erase_if(alive, [&](int64_t at) { return !padded[at]; });
    }
  }
  std::vector<uint8_t> thin(mask.size(), 0);
  for (const int64_t at : alive) thin[(at / stride - 1) * columns + at % stride - 1] = 1;
  return thin;
}

}  // namespace bevgrad
