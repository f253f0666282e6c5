#include "train/data_parallel/accumulated_sums.h"

#include <algorithm>

#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {

AccumulatedSums::AccumulatedSums(const BatchSync* ranks, int batches) : ranks_(ranks), batches_(batches) {}

BatchSync AccumulatedSums::part_of_the_step() const {
  BatchSync sync;
  sync.norms = false;
  if (ranks_) sync = *ranks_;
  sync.processes *= batches_;
  return sync;
}

BatchSync AccumulatedSums::noting() {
  next_ = 0;
  BatchSync sync = part_of_the_step();
  const auto note = [this](std::span<double> values) {
    if (next_ == sums_.size()) sums_.emplace_back(values.size(), 0.0);
    std::vector<double>& sum = sums_[next_++];
    check(sum.size() == values.size(), "accumulation: a loss sums {} numbers of this batch, {} of the one before",
          values.size(), sum.size());
    std::transform(values.begin(), values.end(), sum.begin(), sum.begin(), std::plus<>());
  };
  sync.sum = note;
  sync.sum_loss_tensor = [note](const Tensor& sums) {
    std::vector<double> values = sums.to_vector();
    note(values);
  };
  return sync;
}

void AccumulatedSums::add_up() {
  if (!ranks_) return;
  std::vector<double> all;
  for (const std::vector<double>& sum : sums_) all.insert(all.end(), sum.begin(), sum.end());
  ranks_->sum(all);
  auto next = all.begin();
  for (std::vector<double>& sum : sums_) {
    std::copy_n(next, sum.size(), sum.begin());
    next += static_cast<std::ptrdiff_t>(sum.size());
  }
}

BatchSync AccumulatedSums::giving() {
  next_ = 0;
  BatchSync sync = part_of_the_step();
  const auto give = [this](std::span<double> values) {
    check(next_ < sums_.size() && sums_[next_].size() == values.size(),
          "accumulation: a loss sums {} numbers that it did not sum in the first pass", values.size());
    std::copy(sums_[next_].begin(), sums_[next_].end(), values.begin());
    ++next_;
  };
  sync.sum = give;
  sync.sum_loss_tensor = [give](const Tensor& sums) {
    std::vector<double> values(static_cast<size_t>(sums.numel()));
    give(values);
    ops::copy_(sums, from_values(values, sums.sizes(), {DType::Float64}));
  };
  return sync;
}

}  // namespace bevgrad
