#include "train/data_parallel/data_parallel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"
#include "base/signals.h"
#include "distributed/socket.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

void sum(ProcessGroup& group, std::span<double> values) {
  const Tensor tensor = empty({static_cast<int64_t>(values.size())}, {DType::Float64});
  std::memcpy(tensor.raw_data(), values.data(), values.size_bytes());
  group.all_reduce(tensor, ReduceOp::Sum)->wait();
  std::memcpy(values.data(), tensor.raw_data(), values.size_bytes());
}

std::string megabytes(double bytes) {
  return fmt::format("{:.2f} MB", bytes / 1e6);
}

}  // namespace

DataParallel::DataParallel(ProcessGroup& group, const config::Distributed& options) : group_(group) {
  if (group.size() == 1) return;
  sync_ = {.sum = [&group](std::span<double> values) { bevgrad::sum(group, values); },
           .sum_tensors =
               [&group](std::span<const Tensor> values) {
                 group.all_reduce_together({values.begin(), values.end()}, ReduceOp::Sum)->wait();
               },
           .processes = group.size(),
           .norms = options.sync_batch_norm(),
           .losses = options.sync_losses()};
  const auto piece = static_cast<int64_t>(options.bucket_mb() * (1 << 20));
  reducer_ = std::make_unique<GradientReducer>(group.duplicate("gradients"), piece);
  if (options.shard_optimizer()) shards_ = std::make_unique<OptimizerShards>(group, piece);
}

void DataParallel::broadcast(const NamedTensors& tensors) {
  if (group_.size() == 1) return;
  std::vector<std::pair<Tensor, Tensor>> copies;
  std::vector<WorkHandle> works;
  for (const auto& [name, tensor] : tensors) {
    const Tensor dense = ops::contiguous(detach(tensor));
    if (dense.const_raw_data() != tensor.const_raw_data()) copies.emplace_back(tensor, dense);
    works.push_back(group_.broadcast(dense, 0));
  }
  for (WorkHandle& work : works) work->wait();
  if (is_first()) return;
  const NoGradGuard no_grad;
  for (const auto& [tensor, dense] : copies) ops::copy_(tensor, dense);
  for (const auto& [name, tensor] : tensors) ++tensor.storage()->version;
}

Checkpoint DataParallel::share(const std::string& path, Checkpoint of_first) {
  if (group_.size() == 1) return of_first;
  // The bytes of the file travel, so that the others need no shared disk; they read them from memory.
  std::string bytes;
  if (is_first()) {
    std::ifstream file(path, std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), {});
    check(file.good() && !bytes.empty(), "{}: cannot read this file", path);
  }
  bytes = broadcast(bytes);
  if (is_first()) return of_first;
  const Socket memory(memfd_create("checkpoint", MFD_CLOEXEC));  // any file descriptor; it is closed at the end
  check(memory.is_open(), "{}: no memory to hold it: {}", path, std::strerror(errno));
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = write(memory.descriptor(), bytes.data() + done, bytes.size() - done);
    check(written > 0, "{}: no memory to hold it: {}", path, std::strerror(errno));
    done += static_cast<size_t>(written);
  }
  bytes = {};
  return load_checkpoint(fmt::format("/proc/self/fd/{}", memory.descriptor()));
}

std::vector<bool> DataParallel::set_parameters(const std::vector<OptimizedParameter>& parameters) {
  if (reducer_) reducer_->set_parameters(parameters);
  return shards_ ? shards_->share(parameters) : std::vector<bool>();
}

void DataParallel::end_step() {
  if (shards_) shards_->exchange_values();
}

std::map<std::string, StateDict> DataParallel::whole_state(const Optimizer& optimizer) {
  return shards_ ? shards_->gather(optimizer.state()) : optimizer.state();
}

double DataParallel::waited() const {
  return reducer_ ? group_.traffic().waited + reducer_->exposed() : 0;
}

void DataParallel::begin_step(int64_t step) {
  group_.set_place(fmt::format("step {}", step));
  if (!stepped_) before_steps_ = group_.traffic();
  stepped_ = true;
}

void DataParallel::merge(double& loss, std::vector<std::pair<std::string, double>>& terms) {
  if (group_.size() == 1) return;
  const int caught = StopSignals::caught();
  std::vector<double> values = {loss};
  for (const int signal : kStopSignals) values.push_back(caught == signal ? 1.0 : 0.0);
  for (const auto& [name, value] : terms) values.push_back(value);
  bevgrad::sum(group_, values);
  // Where losses know only their own rank's batch, theirs is a mean.
  const double share = sync_.losses ? 1.0 : 1.0 / group_.size();
  loss = values[0] * share;
  for (size_t i = 0; i < kStopSignals.size(); ++i)
    if (values[1 + i] > 0) signal_ = kStopSignals[i];
  for (size_t i = 0; i < terms.size(); ++i) terms[i].second = values[1 + kStopSignals.size() + i] * share;
}

void DataParallel::begin_backward(const Tensor& loss) {
  if (reducer_) reducer_->begin(loss, sync_.losses ? ReduceOp::Sum : ReduceOp::Average);
}

void DataParallel::end_backward() {
  if (reducer_) reducer_->finish();
}

int DataParallel::signal() const {
  return group_.size() == 1 ? StopSignals::caught() : signal_;
}

std::string DataParallel::summary(double seconds, int64_t steps) const {
  if (!reducer_ || steps == 0 || seconds <= 0) return "";
  const GroupTraffic gradients = reducer_->traffic();
  GroupTraffic small = group_.traffic();
  small.calls -= before_steps_.calls;
  small.busy -= before_steps_.busy;
  small.waited -= before_steps_.waited;
  int64_t bytes = 0;
  for (const int64_t size : reducer_->bucket_sizes()) bytes += size;
  const double busy = gradients.busy + small.busy, exposed = reducer_->exposed() + small.waited;
  return fmt::format(
      "exchange with {} ranks: {} of gradients a step in {} piece(s), {} other messages a step; {:.1f} s of {:.1f} s "
      "were exchange, of which {:.1f} s exposed: {:.1f}% of the run (gradients {:.1f}%, statistics and losses {:.1f}%)",
      group_.size(), megabytes(static_cast<double>(bytes)), reducer_->bucket_sizes().size(), small.calls / steps, busy,
      seconds, exposed, 100 * exposed / seconds, 100 * reducer_->exposed() / seconds, 100 * small.waited / seconds);
}

}  // namespace bevgrad
