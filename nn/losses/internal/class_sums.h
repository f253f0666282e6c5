// Sums over the elements of every class on a GPU, where they stay: runs of pixels first, then the runs' sums, always in
// the same order.
#pragma once
#include <algorithm>

#include "tensor/launch_teams.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// One index is one class in a run of pixels, so that neighbours read neighbours.
template <int K, class R, class Term>
struct ClassRun {
  static constexpr int64_t kBlock = 64;  // pixels whose terms are added in R
  Term term;
  double* partial;  // [runs, K, classes]
  int64_t pixels, classes, run_length;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t run = i / classes, c = i - run * classes;
    const int64_t end = (run + 1) * run_length < pixels ? (run + 1) * run_length : pixels;
    double totals[K] = {};
    for (int64_t block = run * run_length; block < end; block += kBlock) {
      R sums[K] = {};
      for (int64_t pixel = block; pixel < block + kBlock && pixel < end; ++pixel) term(pixel * classes + c, c, sums);
      for (int k = 0; k < K; ++k) totals[k] += static_cast<double>(sums[k]);
    }
    for (int k = 0; k < K; ++k) partial[(run * K + k) * classes + c] = totals[k];
  }
};

struct AddRuns {
  static constexpr int kSums = 1;
  const double* partial;
  double* sums;
  int64_t columns;

  BEVGRAD_HD void add(int64_t run, int64_t column, double* total) const { total[0] += partial[run * columns + column]; }
  BEVGRAD_HD void finish(int64_t column, const double* total) const { sums[column] = total[0]; }
};

/// K sums of every class, float64 [K, classes] on the logits' GPU. `logits` is channels-last; term(element, class,
/// sums) adds an element's K numbers.
template <int K, class R, class Term>
Tensor class_sums(const Tensor& logits, const Term& term) {
  using Run = ClassRun<K, R, Term>;
  constexpr int64_t kThreadsWanted = int64_t{1} << 18;
  const int64_t classes = logits.size(1), pixels = logits.numel() / std::max<int64_t>(1, classes);
  const int64_t wanted = std::max<int64_t>(1, kThreadsWanted / std::max<int64_t>(1, classes));
  const int64_t blocks = (pixels + Run::kBlock - 1) / Run::kBlock;
  const int64_t length = std::max<int64_t>(1, (blocks + wanted - 1) / wanted) * Run::kBlock;
  const int64_t runs = (pixels + length - 1) / length;
  const TensorOptions wide{DType::Float64, {}, logits.device()};
  const Tensor partial = empty({runs, K, classes}, wide), sums = empty({K, classes}, wide);
  launch(logits.device(), runs * classes, Run{term, partial.data<double>(), pixels, classes, length});
  launch_column_sums(logits.device(), runs, K * classes,
                     AddRuns{partial.data<double>(), sums.data<double>(), K * classes});
  return sums;
}

/// The loss and the counts of class_sums, all classes together: totals [K], then value = totals[0] / max(1, totals[1]).
template <class V>
struct MeanOverCount {
  const double* sums;  // null: the totals are there
  double* totals;
  V* value;  // null: the totals are not those of the whole batch yet
  int64_t kinds, classes;

  BEVGRAD_HD void operator()(int64_t) const {
    for (int64_t k = 0; sums && k < kinds; ++k) {
      double total = 0;
      for (int64_t c = 0; c < classes; ++c) total += sums[k * classes + c];
      totals[k] = total;
    }
    if (value) *value = static_cast<V>(totals[0] / (totals[1] > 1 ? totals[1] : 1.0));
  }
};

/// What a loss divided by a count leaves on a GPU: its value, and [loss, count, ...] with the count of the whole batch.
struct CountedLoss {
  Tensor value, totals;
};

CountedLoss counted_loss(const Tensor& sums, const Tensor& logits);

/// dy / max(1, count), on a GPU.
template <class V>
struct CountedScale {
  const V* dy;
  const double* count;

  BEVGRAD_HD double operator()() const { return static_cast<double>(*dy) / (*count > 1 ? *count : 1.0); }
};

}  // namespace bevgrad
