#include "tensor/walk.h"

namespace bevgrad {

Walk plan_walk(const Shape& sizes, std::initializer_list<WalkOperand> operands) {
  Walk walk;
  walk.count = numel(sizes);
  const int rank = static_cast<int>(sizes.size());
  check(rank <= Walk::kMaxRank, "a tensor of rank {} is not supported, at most {}", rank, Walk::kMaxRank);

  // Strides of every operand over the full shape: 0 where it broadcasts.
  std::array<std::array<int64_t, Walk::kMaxRank>, Walk::kMaxOperands> strides{};
  int count = 0;
  for (const WalkOperand& operand : operands) {
    const int missing = rank - static_cast<int>(operand.sizes.size());
    for (int d = missing; d < rank; ++d)
      strides[count][d] = operand.sizes[d - missing] == 1 && sizes[d] != 1 ? 0 : operand.strides[d - missing];
    ++count;
  }

  // Ascending strides of the first operand, by insertion: there are few.
  std::array<int, Walk::kMaxRank> order{};
  int kept = 0;
  for (int d = rank; d-- > 0;) {
    if (sizes[d] == 1) continue;
    int at = kept++;
    for (; at > 0 && strides[0][order[at - 1]] > strides[0][d]; --at) order[at] = order[at - 1];
    order[at] = d;
  }

  for (int i = 0; i < kept; ++i) {
    const int d = order[i];
    if (walk.rank > 0) {
      const int last = walk.rank - 1;
      bool mergeable = true;
      for (int k = 0; k < count; ++k)
        mergeable = mergeable && strides[k][d] == walk.strides[k][last] * walk.sizes[last];
      if (mergeable) {
        walk.sizes[last] *= sizes[d];
        continue;
      }
    }
    walk.sizes[walk.rank] = sizes[d];
    for (int k = 0; k < count; ++k) walk.strides[k][walk.rank] = strides[k][d];
    ++walk.rank;
  }
  if (walk.rank == 0) {
    walk.rank = 1;
    walk.sizes[0] = 1;
    for (int k = 0; k < count; ++k) walk.strides[k][0] = 1;
  }
  return walk;
}

}  // namespace bevgrad
