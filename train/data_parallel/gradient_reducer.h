// The exchange of gradients, hidden behind the backward pass that makes them.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "distributed/process_group.h"
#include "optim/optimizer.h"

namespace bevgrad {

/// Gathers gradients in flat buckets, in the order in which backward completes them, and reduces each bucket over the
/// ranks as soon as it is full, while backward goes on (Li et al., "PyTorch Distributed", VLDB 2020). Buckets go out in
/// the same order on every rank. A parameter that has a gradient on no rank keeps none. On CUDA the buckets travel on
/// the group's stream beside the compute stream, and the host waits for none of them.
class GradientReducer {
 public:
  /// `group` is the reducer's own: other collectives of the run do not wait behind its buckets.
  GradientReducer(std::unique_ptr<ProcessGroup> group, int64_t bucket_bytes);
  ~GradientReducer();
  GradientReducer(const GradientReducer&) = delete;
  GradientReducer& operator=(const GradientReducer&) = delete;

  /// From now on these (float32) parameters' gradients are exchanged, and nothing else.
  void set_parameters(const std::vector<OptimizedParameter>& parameters);

  /// Before the last backward pass of a step, which will start at `loss`: what it completes is sent on at once.
  void begin(const Tensor& loss, ReduceOp op);
  /// After it: whoever uses the parameters' gradients finds the reduced ones.
  void finish();

  /// Seconds in which the caller, or on CUDA the device, waited for buckets, of all.
  double exposed() const { return group_->traffic().waited; }
  GroupTraffic traffic() const { return group_->traffic(); }
  /// Bytes of every bucket, in the order in which they go out. Empty before the first step.
  std::vector<int64_t> bucket_sizes() const;

 private:
  struct Place {
    size_t bucket = 0;
    Tensor view;  ///< of the bucket, with the parameter's sizes and strides
  };
  struct Bucket {
    Tensor values;
    std::vector<size_t> parameters;
    size_t missing = 0;
    WorkHandle work;
  };

  /// All ranks lay out the same buckets, whatever part of the graph their own samples reach.
  std::vector<size_t> order_of_rank_0(const std::vector<size_t>& own);
  void lay_out(const std::vector<size_t>& order);
  void put(size_t parameter, const Tensor& gradient);
  void complete(size_t parameter);
  void launch_full();

  std::unique_ptr<ProcessGroup> group_;
  int64_t bucket_bytes_;
  std::vector<OptimizedParameter> parameters_;
  std::vector<Place> places_;
  std::vector<bool> completed_;
  Tensor present_;  ///< uint8 on the CPU, one a parameter: whether it has a gradient on any rank
  WorkHandle present_work_;
  std::vector<Bucket> buckets_;
  size_t next_ = 0;  // the first bucket that is not out yet
  ReduceOp op_ = ReduceOp::Average;
  bool active_ = false;
};

}  // namespace bevgrad
