// What ranks that train together say to one another. One interface; the implementation for one rank is here, others
// plug in behind it.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "tensor/tensor.h"
#include "train/distributed/environment.h"

namespace bevgrad {

enum class ReduceOp { Sum, Average, Max };

/// A collective under way. wait() returns when the tensors that were given hold the result; it throws Error naming the
/// rank that was lost, and may be called once. A handle that is dropped waits.
class Work {
 public:
  virtual ~Work() = default;
  virtual void wait() = 0;
};
using WorkHandle = std::unique_ptr<Work>;

/// Every rank calls the same functions in the same order with the same shapes and dtypes. Tensors are contiguous.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// In place, the same bits on every rank.
  virtual WorkHandle all_reduce(const Tensor& tensor, ReduceOp op) = 0;
  /// In place: every rank gets `root`'s values.
  virtual WorkHandle broadcast(const Tensor& tensor, int root) = 0;
  /// output [size * rows, ...] from input [rows, ...], in the order of ranks.
  virtual WorkHandle all_gather(const Tensor& output, const Tensor& input) = 0;
  /// output [rows, ...] = this rank's part of the reduced input [size * rows, ...].
  virtual WorkHandle reduce_scatter(const Tensor& output, const Tensor& input, ReduceOp op) = 0;
  virtual WorkHandle send(const Tensor& tensor, int to) = 0;
  virtual WorkHandle receive(const Tensor& tensor, int from) = 0;
  virtual void barrier() = 0;
};

/// The group of a process that trains alone: collectives leave or copy their tensors, send and receive throw.
std::unique_ptr<ProcessGroup> make_single_process_group();

/// The group that the environment asks for. Throws UsageError where it asks for more than one rank and this build has
/// no transport between processes.
std::unique_ptr<ProcessGroup> make_process_group(const RankEnvironment& environment);

}  // namespace bevgrad
