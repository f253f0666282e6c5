#include "optim/clip_grad_norm.h"

#include <cmath>
#include <mutex>

#include "autograd/autograd.h"
#include "internal/tensor_list.h"
#include "tensor/launch_teams.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// The sum of squares of a piece of a list.
struct SquaresOfPiece {
  static constexpr int kMembers = TensorListView::kMembers, kPhases = 3, kStep = 16;
  struct Shared {
    double sums[kMembers];
  };
  struct Add {
    double* sum;
    template <int kLanes>
    BEVGRAD_HD void operator()(const ListedTensors& tensors, int64_t at) const {
      const auto run = FloatRun<kLanes>::of(tensors.data[0] + at);
      for (int k = 0; k < kLanes; ++k) *sum += static_cast<double>(run.lanes[k]) * static_cast<double>(run.lanes[k]);
    }
  };
  TensorListView list;
  double* partial;

  BEVGRAD_HD void operator()(int phase, int64_t piece, int member, Shared& shared) const {
    static_assert(kStep * kStep == kMembers);
    double sum = 0;
    if (phase == 0) {
      list.visit(piece, member, Add{&sum});
    } else {
      const int step = phase == 1 ? 1 : kStep;
      if (member % (step * kStep) != 0) return;
      for (int k = 0; k < kStep; ++k) sum += shared.sums[member + k * step];
      if (phase == 2) partial[piece] = sum;
    }
    shared.sums[member] = sum;
  }
};

struct AddPieces {
  static constexpr int kSums = 1;
  const double* partial;
  double* total;

  BEVGRAD_HD void add(int64_t piece, int64_t, double* sums) const { sums[0] += partial[piece]; }
  BEVGRAD_HD void finish(int64_t, const double* sums) const { *total = sums[0]; }
};

/// Of all gradients on one GPU, in two launches; a float64 scalar there.
Tensor sum_of_squares_on_device(const std::vector<Tensor>& gradients, Device device) {
  static auto& list = *new TensorList;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::vector<ListedTensors> listed;
  for (const Tensor& gradient : gradients)
    listed.push_back({{static_cast<float*>(gradient.raw_data())}, gradient.numel()});
  const TensorListView view = list.place(listed, device);
  const Tensor partial = empty({list.pieces()}, {DType::Float64, {}, device});
  const Tensor total = empty({}, {DType::Float64, {}, device});
  launch_teams(device, list.pieces(), SquaresOfPiece{view, partial.data<double>()});
  launch_column_sums(device, list.pieces(), 1, AddPieces{partial.data<double>(), total.data<double>()});
  return total;
}

}  // namespace

Tensor squared_grad_norm(const std::vector<OptimizedParameter>& parameters) {
  std::vector<Tensor> gradients;
  for (const OptimizedParameter& parameter : parameters)
    if (const Tensor gradient = grad(parameter.value); gradient.defined()) gradients.push_back(gradient);
  if (!gradients.empty() && !gradients[0].device().is_cpu()) {
    // The order of a gradient's elements does not matter, as long as they lie without gaps.
    for (Tensor& gradient : gradients)
      gradient = ops::contiguous(ops::to(gradient, DType::Float32), gradient.suggested_format());
    return sum_of_squares_on_device(gradients, gradients[0].device());
  }
  double total = 0;
  for (const Tensor& gradient : gradients) total += ops::sum_of_squares(gradient);
  return scalar(total, {.dtype = DType::Float64});
}

double clip_factor(double norm, double max_norm) {
  return max_norm > 0 && norm > max_norm && std::isfinite(norm) ? max_norm / (norm + 1e-6) : 1.0;
}

void scale_gradients(const std::vector<OptimizedParameter>& parameters, double factor) {
  if (factor == 1) return;
  for (const OptimizedParameter& parameter : parameters)
    if (const Tensor gradient = grad(parameter.value); gradient.defined()) ops::mul_(gradient, factor);
}

double clip_grad_norm(const std::vector<OptimizedParameter>& parameters, double max_norm) {
  const double norm = std::sqrt(squared_grad_norm(parameters).item());
  scale_gradients(parameters, clip_factor(norm, max_norm));
  return norm;
}

}  // namespace bevgrad
