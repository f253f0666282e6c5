#include "distributed/nccl_group.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "base/error.h"
#include "internal/nccl_queue.h"
#include "tensor/cuda_stream.h"

namespace bevgrad {
namespace {

ncclDataType_t data_type(const char* call, DType dtype) {
  switch (dtype) {
    case DType::Float32:
      return ncclFloat32;
    case DType::Float64:
      return ncclFloat64;
    case DType::BFloat16:
      return ncclBfloat16;
    case DType::Int32:
      return ncclInt32;
    case DType::Int64:
      return ncclInt64;
    case DType::UInt8:
      return ncclUint8;
    default:
      fail("{}: {} is not offered", call, name(dtype));
  }
}

ncclRedOp_t reduction(ReduceOp op) {
  return op == ReduceOp::Sum ? ncclSum : op == ReduceOp::Average ? ncclAvg : ncclMax;
}

/// Calls of NCCL for several things that begin together.
template <class T, class Call>
ncclResult_t in_group(const std::vector<T>& all, const Call& call) {
  ncclResult_t first = ncclGroupStart();
  if (first != ncclSuccess) return first;
  for (const T& one : all) {
    const ncclResult_t result = call(one);
    if (first == ncclSuccess || first == ncclInProgress) first = result;
  }
  const ncclResult_t end = ncclGroupEnd();
  return first == ncclSuccess || first == ncclInProgress ? end : first;
}

/// The same on every rank.
std::string text_of(const Tensor& tensor) {
  return fmt::format("{} {}", name(tensor.dtype()), to_string(tensor.sizes()));
}

/// What NCCL reads when its first communicator is made.
void prepare_environment() {
  // Its own connections use the interface that ours use.
  if (const char* interface = std::getenv("BEVGRAD_INTERFACE"))
    setenv("NCCL_SOCKET_IFNAME", fmt::format("={}", interface).c_str(), 0);
  // The run's communicators are used at once on streams of their own; their kernels must start in one order everywhere
  // (NCCL 2.26 and newer read this).
  setenv("NCCL_LAUNCH_ORDER_IMPLICIT", "1", 0);
  // It would go before what a communicator is made with, and a call that waits for a lost rank could not be ended.
  unsetenv("NCCL_COMM_BLOCKING");
}

/// Rank 0's id on every rank. Whoever knows it can join, so it goes over the control group, which strangers cannot
/// read.
ncclUniqueId share_id(ProcessGroup& control) {
  ncclUniqueId id{};
  static_assert(sizeof(id.internal) == NCCL_UNIQUE_ID_BYTES);
  const Tensor bytes = zeros({NCCL_UNIQUE_ID_BYTES}, {DType::UInt8});
  if (control.rank() == 0) {
    check_nccl(ncclGetUniqueId(&id), "ncclGetUniqueId");
    std::memcpy(bytes.raw_data(), id.internal, NCCL_UNIQUE_ID_BYTES);
  }
  control.broadcast(bytes, 0)->wait();
  std::memcpy(id.internal, bytes.raw_data(), NCCL_UNIQUE_ID_BYTES);
  return id;
}

// Connecting takes NCCL seconds, on eight GPUs up to a minute, however soon a lost rank is to be noticed afterwards.
constexpr std::chrono::seconds kTimeToConnect(120);

std::unique_ptr<NcclCommunicator> connect(ProcessGroup& control, NcclRun& run) {
  const std::string call = "connecting the devices";
  const ncclUniqueId id = share_id(control);
  const cuda::DeviceGuard guard(run.device());
  try {
    return std::make_unique<NcclCommunicator>(
        id, control.rank(), control.size(),
        [&run, call,
         deadline = std::chrono::steady_clock::now() +
                    std::max<std::chrono::milliseconds>(run.meeting().timeout(), kTimeToConnect)] {
          run.check_peers(call);
          if (std::chrono::steady_clock::now() > deadline) run.give_up(call);
        });
  } catch (const PeerLost&) {
    throw;
  } catch (const std::exception& error) {
    std::rethrow_exception(run.own_error(call, error.what()));
  }
}

class NcclGroup final : public ProcessGroup {
 public:
  using Job = NcclQueue::Job;

  NcclGroup(std::shared_ptr<NcclRun> run, std::unique_ptr<ProcessGroup> control)
      : run_(std::move(run)), control_(std::move(control)), queue_(run_, connect(*control_, *run_)) {}

  int rank() const override { return control_->rank(); }
  int size() const override { return control_->size(); }

  WorkHandle all_reduce(const Tensor& tensor, ReduceOp op) override { return all_reduce_together({tensor}, op); }

  /// Collectives of one group are one launch.
  WorkHandle all_reduce_together(const std::vector<Tensor>& tensors, ReduceOp op) override {
    if (is_for_control(tensors.empty() ? Tensor() : tensors[0])) return control_->all_reduce_together(tensors, op);
    std::vector<Tensor> filled;
    int64_t total = 0;
    for (const Tensor& tensor : tensors) {
      check_dense("all_reduce", tensor);
      check(tensor.dtype() == tensors[0].dtype(), "all_reduce: {} and {} in one message", describe(tensors[0]),
            describe(tensor));
      if (tensor.numel() > 0) filled.push_back(tensor);
      total += bytes(tensor);
    }
    const ncclDataType_t type = reducible("all_reduce", tensors[0], op);
    if (filled.empty()) return std::make_unique<Done>();
    const auto start = [=](const Tensor& tensor, ncclComm_t communicator, cudaStream_t stream) {
      return ncclAllReduce(tensor.raw_data(), tensor.raw_data(), count(tensor), type, reduction(op), communicator,
                           stream);
    };
    return queue("all_reduce", filled, 2 * total * (size() - 1) / size(),
                 filled.size() == 1 ? "ncclAllReduce" : "ncclGroupEnd",
                 [filled, start](ncclComm_t communicator, cudaStream_t stream) {
                   if (filled.size() == 1) return start(filled[0], communicator, stream);
                   return in_group(filled, [&](const Tensor& tensor) { return start(tensor, communicator, stream); });
                 });
  }

  WorkHandle broadcast(const Tensor& tensor, int root) override {
    if (is_for_control(tensor)) return control_->broadcast(tensor, root);
    check_dense("broadcast", tensor);
    check_peer("broadcast", root, true);
    return queue("broadcast", {tensor}, rank() == (root + size() - 1) % size() ? 0 : bytes(tensor), "ncclBroadcast",
                 [=](ncclComm_t communicator, cudaStream_t stream) {
                   return ncclBroadcast(tensor.raw_data(), tensor.raw_data(), tensor.nbytes(), ncclUint8, root,
                                        communicator, stream);
                 });
  }

  WorkHandle all_gather(const Tensor& output, const Tensor& input) override {
    if (is_for_control(output)) return control_->all_gather(output, input);
    check_dense("all_gather", output);
    check_dense("all_gather", input);
    check(output.dtype() == input.dtype() && output.numel() == input.numel() * size(),
          "all_gather: output {}, input {}, expected {} times as many elements", describe(output), describe(input),
          size());
    return queue("all_gather", {input, output}, bytes(input) * (size() - 1), "ncclAllGather",
                 [=](ncclComm_t communicator, cudaStream_t stream) {
                   return ncclAllGather(input.raw_data(), output.raw_data(), input.nbytes(), ncclUint8, communicator,
                                        stream);
                 });
  }

  WorkHandle reduce_scatter(const Tensor& output, const Tensor& input, ReduceOp op) override {
    if (is_for_control(output)) return control_->reduce_scatter(output, input, op);
    check_dense("reduce_scatter", output);
    check_dense("reduce_scatter", input);
    check(output.dtype() == input.dtype() && input.numel() == output.numel() * size(),
          "reduce_scatter: output {}, input {}, expected {} times as many elements", describe(output), describe(input),
          size());
    const ncclDataType_t type = reducible("reduce_scatter", input, op);
    return queue("reduce_scatter", {input, output}, bytes(output) * (size() - 1), "ncclReduceScatter",
                 [=](ncclComm_t communicator, cudaStream_t stream) {
                   return ncclReduceScatter(input.raw_data(), output.raw_data(), count(output), type, reduction(op),
                                            communicator, stream);
                 });
  }

  WorkHandle send(const Tensor& tensor, int to) override {
    if (is_for_control(tensor)) return control_->send(tensor, to);
    check_dense("send", tensor);
    check_peer("send", to, false);
    // A message occupies the stream until it is taken: it goes out together with what this rank receives next, so that
    // ranks that first send and then receive do not wait for one another.
    if (!messages_.job) messages_.job = std::make_shared<Job>();
    messages_.all.push_back({tensor, to, true});
    return std::make_unique<Handle>(*this, messages_.job);
  }

  WorkHandle receive(const Tensor& tensor, int from) override {
    if (is_for_control(tensor)) return control_->receive(tensor, from);
    check_dense("receive", tensor);
    check_peer("receive", from, false);
    if (!messages_.job) messages_.job = std::make_shared<Job>();
    messages_.all.push_back({tensor, from, false});
    const std::shared_ptr<Job> job = messages_.job;
    exchange_messages();
    return std::make_unique<Handle>(*this, job);
  }

  void barrier() override {
    run_->check();
    control_->barrier();
  }

  std::unique_ptr<ProcessGroup> duplicate(const std::string& name) override {
    run_->check();
    return std::make_unique<NcclGroup>(run_, control_->duplicate(name));
  }
  void set_place(const std::string& place) override { control_->set_place(place); }
  void report_failure(const std::string& message) override { control_->report_failure(message); }
  void leave() override {
    exchange_messages();
    queue_.close();
    control_->leave();
  }
  GroupTraffic traffic() const override {
    const GroupTraffic small = control_->traffic();
    GroupTraffic all = queue_.traffic();
    all.calls += small.calls;
    all.bytes_sent += small.bytes_sent;
    all.busy += small.busy;
    all.waited += small.waited;
    return all;
  }

 private:
  struct Message {
    Tensor tensor;
    int peer;
    bool is_sent;
  };
  struct Messages {
    std::shared_ptr<Job> job;
    std::vector<Message> all;
  };

  class Handle final : public Work {
   public:
    Handle(NcclGroup& group, std::shared_ptr<Job> job) : group_(group), job_(std::move(job)) {}
    ~Handle() override {
      if (!job_) return;
      try {
        wait();
      } catch (const std::exception&) {
        // The next call of the group throws it.
      }
    }
    void wait() override {
      const std::shared_ptr<Job> job = std::exchange(job_, nullptr);
      if (job == group_.messages_.job) group_.exchange_messages();
      group_.queue_.wait(*job);
    }

   private:
    NcclGroup& group_;
    std::shared_ptr<Job> job_;
  };

  class Done final : public Work {
   public:
    void wait() override {}
  };

  static int64_t bytes(const Tensor& tensor) { return static_cast<int64_t>(tensor.nbytes()); }
  static size_t count(const Tensor& tensor) { return static_cast<size_t>(tensor.numel()); }

  /// Throws, for tensors of either device, once a collective has failed.
  bool is_for_control(const Tensor& tensor) const {
    run_->check();
    return !tensor.defined() || tensor.device().is_cpu();
  }

  void check_dense(const char* call, const Tensor& tensor) const {
    check(tensor.defined() && tensor.is_contiguous(), "{}: {} is not contiguous", call,
          tensor.defined() ? describe(tensor) : "an undefined tensor");
    const Device own{DeviceKind::CUDA, run_->device()};
    check(tensor.device() == own, "{}: {}, this rank's device is {}", call, describe(tensor), to_string(own));
  }
  void check_peer(const char* call, int peer, bool may_be_self) const {
    check(peer >= 0 && peer < size() && (may_be_self || peer != rank()), "{}: there is no {}rank {} in a group of {}",
          call, may_be_self ? "" : "other ", peer, size());
  }
  static ncclDataType_t reducible(const char* call, const Tensor& tensor, ReduceOp op) {
    check(op != ReduceOp::Average || is_floating_point(tensor.dtype()), "{}: no average of {}", call, describe(tensor));
    return data_type(call, tensor.dtype());
  }

  WorkHandle queue(const char* what, std::vector<Tensor> tensors, int64_t bytes_sent, const char* name,
                   const NcclQueue::Call& call) {
    exchange_messages();
    if (tensors[0].numel() == 0) return std::make_unique<Done>();
    auto job = std::make_shared<Job>();
    job->call = fmt::format("{} of {}", what, text_of(tensors[0]));
    job->tensors = std::move(tensors);
    job->bytes_sent = bytes_sent;
    queue_.push(job, name, call);
    return std::make_unique<Handle>(*this, std::move(job));
  }

  /// What was sent so far, and what is received with it, as one piece of work.
  void exchange_messages() {
    if (!messages_.job) return;
    const Messages messages = std::exchange(messages_, {});
    for (const Message& message : messages.all) {
      messages.job->call +=
          fmt::format("{}{} {} of {}", messages.job->call.empty() ? "" : ", ",
                      message.is_sent ? "send to" : "receive from", message.peer, text_of(message.tensor));
      messages.job->tensors.push_back(message.tensor);
      if (message.is_sent) messages.job->bytes_sent += bytes(message.tensor);
    }
    queue_.push(messages.job, "ncclGroupEnd", [&](ncclComm_t communicator, cudaStream_t stream) {
      return in_group(messages.all, [&](const Message& message) {
        void* data = message.tensor.raw_data();
        const size_t size = message.tensor.nbytes();
        return message.is_sent ? ncclSend(data, size, ncclUint8, message.peer, communicator, stream)
                               : ncclRecv(data, size, ncclUint8, message.peer, communicator, stream);
      });
    });
  }

  std::shared_ptr<NcclRun> run_;
  std::unique_ptr<ProcessGroup> control_;
  Messages messages_;
  NcclQueue queue_;
};

}  // namespace

std::unique_ptr<ProcessGroup> make_nccl_group(std::shared_ptr<Meeting> meeting, std::unique_ptr<ProcessGroup> control,
                                              Device device) {
  static std::once_flag done;
  std::call_once(done, prepare_environment);
  auto run = std::make_shared<NcclRun>(std::move(meeting), device.index);
  return std::make_unique<NcclGroup>(std::move(run), std::move(control));
}

std::string nccl_version() {
  int version = 0;
  check_nccl(ncclGetVersion(&version), "ncclGetVersion");
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace bevgrad
