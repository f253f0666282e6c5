// Sums over the elements of every class on a GPU: runs of pixels first, then the runs' sums, always in the same order.
#pragma once
#include <vector>

#include "tensor/launch.h"
#include "tensor/ops.h"

namespace bevgrad {

/// One index is one class in a run of pixels, so that neighbours read neighbours.
template <int K, class R, class Term>
struct ClassRun {
  static constexpr int64_t kPixels = 64;
  Term term;
  double* partial;  // [K, runs, classes]
  int64_t pixels, classes, runs;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t c = i % classes, run = i / classes;
    const int64_t end = (run + 1) * kPixels < pixels ? (run + 1) * kPixels : pixels;
    R sums[K] = {};
    for (int64_t pixel = run * kPixels; pixel < end; ++pixel) term(pixel * classes + c, c, sums);
    for (int k = 0; k < K; ++k) partial[(k * runs + run) * classes + c] = static_cast<double>(sums[k]);
  }
};

/// K sums of every class, [k][class], on the host (it waits). `logits` is channels-last; term(element, class, sums)
/// adds an element's K numbers.
template <int K, class R, class Term>
std::vector<double> class_sums(const Tensor& logits, const Term& term) {
  using Run = ClassRun<K, R, Term>;
  const int64_t classes = logits.size(1), pixels = logits.numel() / std::max<int64_t>(1, classes);
  const int64_t runs = (pixels + Run::kPixels - 1) / Run::kPixels;
  const Tensor partial = empty({K, runs, classes}, {DType::Float64, {}, logits.device()});
  launch(logits.device(), runs * classes, Run{term, partial.data<double>(), pixels, classes, runs}, Run::kPixels * 8);
  return ops::sum(partial, {1}).to_vector();
}

/// The k-th of class_sums' numbers, all classes together.
inline double total_of(const std::vector<double>& sums, int k, int64_t classes) {
  double total = 0;
  for (int64_t c = 0; c < classes; ++c) total += sums[static_cast<size_t>(k * classes + c)];
  return total;
}

}  // namespace bevgrad
