#include "tasks/static_map/mark_types.h"

#include "base/error.h"
#include "nn/losses.h"
#include "tensor/ops.h"

namespace bevgrad {

MarkTypes mark_types(const Tensor& labels, const std::vector<double>& class_weights) {
  check(labels.dim() == 4 && labels.dtype() == DType::UInt8 && labels.device().is_cpu(),
        "mark_types: labels {}, expected uint8 [N,C,H,W] on the CPU", describe(labels));
  const int64_t classes = labels.size(1), area = labels.size(2) * labels.size(3);
  check(class_weights.empty() || static_cast<int64_t>(class_weights.size()) == classes,
        "mark_types: {} weights were given for {} classes", class_weights.size(), classes);
  const Tensor planes = ops::contiguous(labels, MemoryFormat::Contiguous);
  std::vector<int64_t> cells;
  std::vector<double> targets;
  for (int64_t n = 0; n < labels.size(0); ++n) {
    const uint8_t* sample = planes.data<uint8_t>() + n * classes * area;
    for (int64_t i = 0; i < area; ++i) {
      int marked = 0, ignored = 0;
      for (int64_t c = 0; c < classes; ++c) {
        marked += sample[c * area + i] == 1;
        ignored += sample[c * area + i] == kIgnoredTarget;
      }
      if (marked == 0 || ignored > 0) continue;
      cells.push_back(n * area + i);
      for (int64_t c = 0; c < classes; ++c) {
        const double weight = class_weights.empty() ? 1.0 : class_weights[static_cast<size_t>(c)];
        targets.push_back(sample[c * area + i] == 1 ? weight / marked : 0.0);
      }
    }
  }
  const auto count = static_cast<int64_t>(cells.size());
  MarkTypes types{empty({count}, {.dtype = DType::Int64}), empty({count, classes}, {.dtype = DType::Float64})};
  std::copy(cells.begin(), cells.end(), types.cells.data<int64_t>());
  std::copy(targets.begin(), targets.end(), types.targets.data<double>());
  return types;
}

}  // namespace bevgrad
