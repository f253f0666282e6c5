// The loss of boxes at objects' centres.
#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "autograd/constant.h"
#include "autograd/functions/cells.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/reduce.h"
#include "losses/internal/whole_batch.h"
#include "nn/losses.h"
#include "tensor/element.h"
#include "tensor/launch_teams.h"

namespace bevgrad {
namespace {

constexpr const char* kName = "indexed_l1_loss";
constexpr int64_t kLeastRows = 64;

void check_targets(const Tensor& cells, const Tensor& targets, const std::vector<double>& weights) {
  check(weights.empty() || static_cast<int64_t>(weights.size()) == targets.size(1),
        "indexed_l1_loss: {} weights were given for {} channels", weights.size(), targets.size(1));
  check_constant(kName, {{"targets", targets}});
  check(cells.dim() == 1 && cells.dtype() == DType::Int64 && cells.device().is_cpu(),
        "indexed_l1_loss: the cells are {}, expected int64 [rows] on the cpu", describe(cells));
}

/// What a difference of each element of `targets` counts: a missing target (NaN) nothing.
std::vector<double> factors_of(const std::vector<double>& targets, int64_t rows, const std::vector<double>& weights) {
  std::vector<double> factors(targets.size());
  const double share = 1.0 / std::max(1.0, whole_batch_count(static_cast<double>(rows)));
  for (size_t i = 0; i < targets.size(); ++i)
    factors[i] = std::isnan(targets[i]) ? 0.0 : share * (weights.empty() ? 1.0 : weights[i % weights.size()]);
  return factors;
}

/// The sum of all weighted differences, in one launch.
template <class T>
struct SumDifferences {
  static constexpr int kSums = 1;
  const T* x;  // [N,H,W,C] in memory
  const int64_t* cells;
  const T *wanted, *factors;
  int64_t channels;
  T* total;

  BEVGRAD_HD void add(int64_t i, int64_t, double* sums) const {
    const int64_t row = i / channels;
    if (cells[row] < 0) return;
    const auto difference =
        static_cast<double>(load(x, cells[row] * channels + i - row * channels)) - static_cast<double>(load(wanted, i));
    sums[0] += static_cast<double>(load(factors, i)) * (difference < 0 ? -difference : difference);
  }
  BEVGRAD_HD void finish(int64_t, const double* sums) const { store(total, 0, static_cast<compute_t<T>>(sums[0])); }
};

/// The gradient: the first row of a cell adds up those of all of them, in their order.
template <class T>
struct SlopesOfCells {
  const T* x;
  const int64_t* cells;
  const T *wanted, *factors, *dy;
  int64_t rows, channels;
  T* dx;

  BEVGRAD_HD void operator()(int64_t i) const {
    const int64_t row = i / channels, channel = i - row * channels, cell = cells[row];
    if (cell < 0 || (row > 0 && cells[row - 1] == cell)) return;
    const auto value = static_cast<double>(load(x, cell * channels + channel));
    double sum = 0;
    for (int64_t k = row; k < rows && cells[k] == cell; ++k) {
      const auto difference = value - static_cast<double>(load(wanted, k * channels + channel));
      // A difference that is not a number stays one.
      const double sign = difference > 0 ? 1 : difference < 0 ? -1 : difference;
      sum += static_cast<double>(load(factors, k * channels + channel)) * sign;
    }
    store(dx, cell * channels + channel, static_cast<compute_t<T>>(sum * static_cast<double>(load(dy, 0))));
  }
};

}  // namespace

IndexedTargets indexed_targets(const Tensor& cells, const Tensor& targets, const std::vector<double>& weights,
                               Device device) {
  check_targets(cells, targets, weights);
  check(targets.dim() == 2 && targets.size(0) == cells.numel(),
        "indexed_targets: cells {}, targets {}; expected int64 [M] and [M,C]", describe(cells), describe(targets));
  const int64_t count = cells.numel(), channels = targets.size(1);
  const auto rows = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(std::max(count, kLeastRows))));
  const Tensor dense = ops::contiguous(cells);
  const int64_t* cell = dense.data<int64_t>();
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::ranges::stable_sort(order, {}, [&](int64_t row) { return cell[row]; });
  const std::vector<double> values = targets.to_vector(), factors = factors_of(values, count, weights);
  const Tensor sorted = full({rows}, -1, {.dtype = DType::Int64});
  std::vector<double> wanted(static_cast<size_t>(rows * channels), 0), factor = wanted;
  for (size_t i = 0; i < order.size(); ++i) {
    sorted.data<int64_t>()[i] = cell[order[i]];
    for (int64_t c = 0; c < channels; ++c) {
      const auto from = static_cast<size_t>(order[i] * channels + c),
                 to = i * static_cast<size_t>(channels) + static_cast<size_t>(c);
      wanted[to] = std::isnan(values[from]) ? 0 : values[from];
      factor[to] = factors[from];
    }
  }
  const TensorOptions like = {targets.dtype(), {}, device};
  return {ops::to(sorted, device), from_values(wanted, {rows, channels}, like),
          from_values(factor, {rows, channels}, like)};
}

Tensor indexed_l1_loss(const Tensor& predicted, const IndexedTargets& targets) {
  const OpScope scope(kName, {{"predicted", predicted}, {"targets", targets.wanted}});
  const int64_t rows = targets.cells.numel();
  check(predicted.dim() == 4 && targets.wanted.sizes() == Shape({rows, predicted.size(1)}) &&
            targets.wanted.dtype() == predicted.dtype(),
        "indexed_l1_loss: predicted {} and targets {} do not fit", describe(predicted), describe(targets.wanted));
  const Tensor x = ops::contiguous(detach(predicted), MemoryFormat::ChannelsLast);
  const Tensor total = empty({}, {x.dtype(), {}, x.device()});
  dispatch_floating(kName, x.dtype(), [&]<class T>() {
    launch_column_sums(x.device(), rows * x.size(1), 1,
                       SumDifferences<T>{x.data<T>(), targets.cells.data<int64_t>(), targets.wanted.data<T>(),
                                         targets.factors.data<T>(), x.size(1), total.data<T>()});
  });
  return record(kName, total, {predicted}, [x_ = Saved(x), targets](const Tensor& dy, const NeedsGrad&) {
    const Tensor& x = x_.get();
    const Tensor dx = zeros(x.sizes(), {x.dtype(), MemoryFormat::ChannelsLast, x.device()});
    const int64_t rows = targets.cells.numel();
    dispatch_floating(kName, x.dtype(), [&]<class T>() {
      launch(x.device(), rows * x.size(1),
             SlopesOfCells<T>{x.data<T>(), targets.cells.data<int64_t>(), targets.wanted.data<T>(),
                              targets.factors.data<T>(), dy.data<T>(), rows, x.size(1), dx.data<T>()});
    });
    return Grads{dx};
  });
}

Tensor indexed_l1_loss(const Tensor& predicted, const Tensor& cells, const Tensor& targets,
                       const std::vector<double>& weights) {
  check(predicted.dim() == 4 && cells.dim() == 1 && targets.sizes() == Shape({cells.numel(), predicted.size(1)}) &&
            targets.dtype() == predicted.dtype(),
        "indexed_l1_loss: predicted {}, cells {}, targets {}; expected [N,C,H,W], int64 [M] and [M,C]",
        describe(predicted), describe(cells), describe(targets));
  check_targets(cells, targets, weights);
  if (!predicted.device().is_cpu())
    return indexed_l1_loss(predicted, indexed_targets(cells, targets, weights, predicted.device()));
  // A missing target becomes 0 with no weight.
  std::vector<double> values = targets.to_vector();
  const std::vector<double> factors = factors_of(values, cells.numel(), weights);
  for (double& value : values) value = std::isnan(value) ? 0 : value;
  const TensorOptions like = {predicted.dtype(), {}, predicted.device()};
  const Tensor wanted = from_values(values, targets.sizes(), like);
  const Tensor factor = from_values(factors, targets.sizes(), like);
  return sum(mul(abs(sub(gather_cells(predicted, cells), wanted)), factor));
}

}  // namespace bevgrad
