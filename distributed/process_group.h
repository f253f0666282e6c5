// What ranks that train together say to one another. One interface; behind it the group of a process that trains alone,
// that of several processes on Gloo's collectives, and that of several devices on NCCL's.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "distributed/environment.h"
#include "tensor/tensor.h"

namespace bevgrad {

enum class ReduceOp { Sum, Average, Max };

/// A collective under way. When wait() has returned, whatever uses the tensors that were given finds the result: on the
/// CPU it is there, on CUDA the device's stream waits for it, and the caller does not. It throws PeerLost (see mesh.h)
/// naming the rank that was lost, and may be called once. A handle that is dropped waits.
class Work {
 public:
  virtual ~Work() = default;
  virtual void wait() = 0;
};
using WorkHandle = std::unique_ptr<Work>;

/// What a group has done so far.
struct GroupTraffic {
  int64_t calls = 0;
  int64_t bytes_sent = 0;  ///< on CUDA: what a ring of the ranks sends for it
  double busy = 0;         ///< seconds in which a collective was under way
  /// Seconds that callers of Work::wait() and of the blocking calls, or on CUDA the device's stream, spent waiting.
  double waited = 0;
};

/// Every rank calls the same functions in the same order with the same shapes and dtypes. Tensors are contiguous.
/// Collectives of one group run one after another in the order of the calls, beside the caller; those of another group
/// do not wait for them. Every one ends within the time-out, with its result or by throwing PeerLost. On CUDA the time
/// counts from when the device comes to it, and once a collective has failed every copy from the device to the host
/// throws that PeerLost too, so that nothing that was computed from half a result is taken for one.
class ProcessGroup {
 public:
  virtual ~ProcessGroup() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// In place, the same bits on every rank. Float32, float64, bfloat16, int32, int64 and uint8; Average of floating
  /// ones only. A sum of bfloat16 is rounded after every rank.
  virtual WorkHandle all_reduce(const Tensor& tensor, ReduceOp op) = 0;
  /// The same for several tensors of one device and dtype, in one message.
  virtual WorkHandle all_reduce_together(const std::vector<Tensor>& tensors, ReduceOp op) = 0;
  /// In place: every rank gets `root`'s values.
  virtual WorkHandle broadcast(const Tensor& tensor, int root) = 0;
  /// output [size * rows, ...] from input [rows, ...], in the order of ranks.
  virtual WorkHandle all_gather(const Tensor& output, const Tensor& input) = 0;
  /// output [rows, ...] = this rank's part of the reduced input [size * rows, ...].
  virtual WorkHandle reduce_scatter(const Tensor& output, const Tensor& input, ReduceOp op) = 0;
  virtual WorkHandle send(const Tensor& tensor, int to) = 0;
  virtual WorkHandle receive(const Tensor& tensor, int from) = 0;
  virtual void barrier() = 0;

  /// The same ranks over connections of their own. All ranks call it, with the same name.
  virtual std::unique_ptr<ProcessGroup> duplicate(const std::string& name) = 0;
  /// Where this rank is ("step 17"): goes into errors, here and on ranks that wait for this one.
  virtual void set_place(const std::string& place) = 0;
  /// Tells the others why this rank is about to end.
  virtual void report_failure(const std::string& message) = 0;
  /// Every rank calls it last: returns when all have come, so that none leaves while another still talks to it.
  virtual void leave() = 0;
  virtual GroupTraffic traffic() const = 0;
};

/// The group of a process that trains alone: collectives leave or copy their tensors, send and receive throw.
std::unique_ptr<ProcessGroup> make_single_process_group();

struct GroupOptions {
  /// How long a rank waits for another, at the rendezvous and in every collective.
  std::chrono::milliseconds timeout{300000};
  /// What all ranks must have in common, as text. The program itself must be the same too.
  std::string config;
  /// A folder in which each rank for which a time-out has passed leaves flight_rank<R>.json: where all ranks were, and
  /// their last collectives. "": none.
  std::string flight_folder = {};
  /// Where the run's tensors lie (distributed/rank_device.h).
  Device device = {};
};

/// The group that the environment asks for: several processes meet at MASTER_ADDR:MASTER_PORT. On a CUDA device tensors
/// of that device go through NCCL, those of the CPU through Gloo; on the CPU all go through Gloo. Throws UsageError for
/// a variable that is wrong, Error where a rank runs another program or config, PeerLost where one does not come in
/// time.
std::unique_ptr<ProcessGroup> make_process_group(const RankEnvironment& environment, const GroupOptions& options = {});

/// A string from rank 0 to all.
std::string broadcast_text(ProcessGroup& group, const std::string& text);
/// Every rank's string, in the order of ranks.
std::vector<std::string> gather_texts(ProcessGroup& group, const std::string& text);

}  // namespace bevgrad
