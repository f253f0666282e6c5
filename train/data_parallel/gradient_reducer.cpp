#include "train/data_parallel/gradient_reducer.h"

#include <algorithm>
#include <utility>

#include "autograd/autograd.h"
#include "autograd/gradient_hook.h"
#include "base/error.h"
#include "tensor/ops.h"

namespace bevgrad {

GradientReducer::GradientReducer(std::unique_ptr<ProcessGroup> group, int64_t bucket_bytes)
    : group_(std::move(group)), bucket_bytes_(bucket_bytes) {}

GradientReducer::~GradientReducer() {
  set_parameters({});
}

void GradientReducer::set_parameters(const std::vector<OptimizedParameter>& parameters) {
  for (const OptimizedParameter& parameter : parameters_) set_gradient_hook(parameter.value, nullptr);
  parameters_ = parameters;
  buckets_.clear();
  places_.clear();
  active_ = false;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const OptimizedParameter& parameter = parameters_[i];
    check(parameter.value.dtype() == DType::Float32, "gradients: {} is {}, expected float32", parameter.name,
          describe(parameter.value));
    set_gradient_hook(parameter.value, [this, i](const Tensor& gradient) {
      if (!active_) return;
      check(!completed_[i], "gradients: the one of {} was completed twice in one backward pass", parameters_[i].name);
      put(i, gradient);
      complete(i);
      launch_full();
    });
  }
}

std::vector<size_t> GradientReducer::order_of_rank_0(const std::vector<size_t>& own) {
  const Tensor order = empty({static_cast<int64_t>(own.size())}, {DType::Int64});
  std::copy(own.begin(), own.end(), order.data<int64_t>());
  group_->broadcast(order, 0)->wait();
  return {order.data<int64_t>(), order.data<int64_t>() + own.size()};
}

void GradientReducer::lay_out(const std::vector<size_t>& order) {
  places_.assign(parameters_.size(), {});
  std::vector<int64_t> lengths;
  int64_t bytes = bucket_bytes_;
  for (const size_t parameter : order) {
    // A parameter goes into one bucket whole; the first bucket is small, so that the exchange starts early.
    if (bytes >= (buckets_.size() == 1 ? std::min<int64_t>(bucket_bytes_, 1 << 20) : bucket_bytes_)) {
      buckets_.emplace_back();
      lengths.push_back(0);
      bytes = 0;
    }
    buckets_.back().parameters.push_back(parameter);
    places_[parameter].bucket = buckets_.size() - 1;
    lengths.back() += parameters_[parameter].value.numel();
    bytes += static_cast<int64_t>(parameters_[parameter].value.nbytes());
  }
  for (size_t b = 0; b < buckets_.size(); ++b) {
    Bucket& bucket = buckets_[b];
    bucket.values = zeros({lengths[b]}, {.device = parameters_[bucket.parameters[0]].value.device()});
    int64_t offset = 0;
    for (const size_t parameter : bucket.parameters) {
      const Tensor& value = parameters_[parameter].value;
      const Tensor like = empty_like(value);
      places_[parameter].view = Tensor(bucket.values.storage(), offset, like.sizes(), like.strides(), DType::Float32);
      offset += value.numel();
    }
  }
}

void GradientReducer::put(size_t parameter, const Tensor& gradient) {
  ops::copy_(places_[parameter].view, gradient);
}

void GradientReducer::complete(size_t parameter) {
  completed_[parameter] = true;
  --buckets_[places_[parameter].bucket].missing;
}

void GradientReducer::launch_full() {
  for (; next_ < buckets_.size() && buckets_[next_].missing == 0; ++next_)
    buckets_[next_].work = group_->all_reduce(buckets_[next_].values, op_);
}

void GradientReducer::begin(const Tensor& loss, ReduceOp op) {
  std::vector<Tensor> leaves;
  for (const OptimizedParameter& parameter : parameters_) leaves.push_back(parameter.value);
  const CompletionOrder completion = completion_order(loss, leaves);
  if (buckets_.empty()) lay_out(order_of_rank_0(completion.order));
  op_ = op;
  next_ = 0;
  completed_.assign(parameters_.size(), false);
  for (Bucket& bucket : buckets_) {
    bucket.missing = bucket.parameters.size();
    ops::fill_(bucket.values, 0);
  }
  // Known before the pass, so that its exchange overlaps with it. Leaves that the pass does not reach are complete: the
  // gradient of an earlier pass of this step, or none.
  present_ = ones({static_cast<int64_t>(parameters_.size())}, {DType::UInt8});
  for (size_t i = 0; i < completion.unreached; ++i)
    present_.data<uint8_t>()[completion.order[i]] = grad(parameters_[completion.order[i]].value).defined();
  present_work_ = group_->all_reduce(present_, ReduceOp::Max);
  for (size_t i = 0; i < completion.unreached; ++i) {
    const size_t parameter = completion.order[i];
    if (const Tensor gradient = grad(parameters_[parameter].value); gradient.defined()) put(parameter, gradient);
    complete(parameter);
  }
  active_ = true;
  launch_full();
}

void GradientReducer::finish() {
  active_ = false;
  for (size_t i = 0; i < parameters_.size(); ++i)
    check(completed_[i], "gradients: the backward pass did not complete the one of {}", parameters_[i].name);
  for (Bucket& bucket : buckets_) {
    bucket.work->wait();
    bucket.work.reset();
  }
  std::exchange(present_work_, nullptr)->wait();
  for (size_t i = 0; i < parameters_.size(); ++i)
    set_grad(parameters_[i].value, present_.data<const uint8_t>()[i] ? places_[i].view : Tensor());
}

std::vector<int64_t> GradientReducer::bucket_sizes() const {
  std::vector<int64_t> sizes;
  for (const Bucket& bucket : buckets_) sizes.push_back(static_cast<int64_t>(bucket.values.nbytes()));
  return sizes;
}

}  // namespace bevgrad
