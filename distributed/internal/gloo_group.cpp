#include "internal/gloo_group.h"

#include <gloo/allgather.h>
#include <gloo/allreduce.h>
#include <gloo/barrier.h>
#include <gloo/broadcast.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <future>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "internal/gloo_transport.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;
using Reduce = void (*)(void*, const void*, const void*, size_t);

template <class T>
void add_elements(void* out, const void* a, const void* b, size_t count) {
  T* to = static_cast<T*>(out);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
  for (size_t i = 0; i < count; ++i) to[i] = static_cast<T>(x[i] + y[i]);
}

template <class T>
void take_larger(void* out, const void* a, const void* b, size_t count) {
  T* to = static_cast<T*>(out);
  const T *x = static_cast<const T*>(a), *y = static_cast<const T*>(b);
  // A NaN on any rank is a NaN on all.
  for (size_t i = 0; i < count; ++i) to[i] = x[i] != x[i] || x[i] > y[i] ? x[i] : y[i];
}

float widen(uint16_t value) {
  const uint32_t bits = static_cast<uint32_t>(value) << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof(wide));
  return wide;
}

/// To the nearest, ties to even; NaN stays one.
uint16_t narrow_float(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (value != value) return static_cast<uint16_t>((bits >> 16) | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

template <bool kLarger>
void reduce_bfloat16(void* out, const void* a, const void* b, size_t count) {
  uint16_t* to = static_cast<uint16_t*>(out);
  const uint16_t *x = static_cast<const uint16_t*>(a), *y = static_cast<const uint16_t*>(b);
  for (size_t i = 0; i < count; ++i) {
    const float first = widen(x[i]), second = widen(y[i]);
    to[i] = narrow_float(kLarger ? (first != first || first > second ? first : second) : first + second);
  }
}

Reduce reduce_function(DType dtype, bool larger) {
  switch (dtype) {
    case DType::Float32:
      return larger ? take_larger<float> : add_elements<float>;
    case DType::Float64:
      return larger ? take_larger<double> : add_elements<double>;
    case DType::BFloat16:
      return larger ? reduce_bfloat16<true> : reduce_bfloat16<false>;
    case DType::Int32:
      return larger ? take_larger<int32_t> : add_elements<int32_t>;
    case DType::Int64:
      return larger ? take_larger<int64_t> : add_elements<int64_t>;
    case DType::UInt8:
      return larger ? take_larger<uint8_t> : add_elements<uint8_t>;
    default:
      fail("all_reduce: {} is not offered", name(dtype));
  }
}

void check_dense(const char* call, const Tensor& tensor) {
  check(tensor.defined() && tensor.is_contiguous(), "{}: {} is not contiguous", call,
        tensor.defined() ? describe(tensor) : "an undefined tensor");
  check(tensor.device().is_cpu(), "{}: {}, expected a tensor on the CPU: this run's ranks have no other device", call,
        describe(tensor));
}

char* bytes_of(const Tensor& tensor) {
  return static_cast<char*>(tensor.raw_data());
}

/// Gloo counts elements by the size of a C++ type.
template <class Options>
void set_output(Options& options, void* data, size_t bytes, size_t item) {
  switch (item) {
    case 8:
      options.template setOutput<uint64_t>(static_cast<uint64_t*>(data), bytes / 8);
      break;
    case 4:
      options.template setOutput<uint32_t>(static_cast<uint32_t*>(data), bytes / 4);
      break;
    case 2:
      options.template setOutput<uint16_t>(static_cast<uint16_t*>(data), bytes / 2);
      break;
    default:
      options.template setOutput<uint8_t>(static_cast<uint8_t*>(data), bytes);
      break;
  }
}

class GlooGroup final : public ProcessGroup {
 public:
  GlooGroup(std::shared_ptr<Meeting> meeting, const std::string& name)
      : meeting_(std::move(meeting)),
        name_(name),
        mesh_(meeting_->make_mesh(name)),
        context_(make_gloo_context(*mesh_)) {
    thread_ = std::thread([this] { run(); });
  }
  ~GlooGroup() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_all();
    thread_.join();
  }

  int rank() const override { return meeting_->rank(); }
  int size() const override { return meeting_->size(); }

  WorkHandle all_reduce(const Tensor& tensor, ReduceOp op) override {
    check_dense("all_reduce", tensor);
    check(op != ReduceOp::Average || is_floating_point(tensor.dtype()), "all_reduce: no average of {}",
          describe(tensor));
    const Reduce reduce = reduce_function(tensor.dtype(), op == ReduceOp::Max);
    return enqueue("all_reduce", tensor, [=, this](uint32_t tag) { run_all_reduce(tensor, op, reduce, tag); });
  }

  WorkHandle all_reduce_together(const std::vector<Tensor>& tensors, ReduceOp op) override {
    if (tensors.size() == 1) return all_reduce(tensors[0], op);
    int64_t numel = 0;
    for (const Tensor& tensor : tensors) {
      check_dense("all_reduce", tensor);
      check(tensor.dtype() == tensors[0].dtype(), "all_reduce: {} and {} in one message", describe(tensors[0]),
            describe(tensor));
      numel += tensor.numel();
    }
    const Tensor packed = empty({numel}, {tensors.empty() ? DType::Float32 : tensors[0].dtype()});
    check(op != ReduceOp::Average || is_floating_point(packed.dtype()), "all_reduce: no average of {}",
          describe(packed));
    const Reduce reduce = reduce_function(packed.dtype(), op == ReduceOp::Max);
    return enqueue("all_reduce", packed, [=, this](uint32_t tag) {
      char* place = static_cast<char*>(packed.raw_data());
      for (const Tensor& tensor : tensors) place = std::copy_n(bytes_of(tensor), tensor.nbytes(), place);
      run_all_reduce(packed, op, reduce, tag);
      place = static_cast<char*>(packed.raw_data());
      for (const Tensor& tensor : tensors) {
        std::copy_n(place, tensor.nbytes(), bytes_of(tensor));
        place += tensor.nbytes();
      }
    });
  }

  WorkHandle broadcast(const Tensor& tensor, int root) override {
    check_dense("broadcast", tensor);
    check_peer("broadcast", root, true);
    return enqueue("broadcast", tensor, [=, this](uint32_t tag) {
      if (tensor.numel() == 0) return;
      gloo::BroadcastOptions options(context_);
      set_output(options, tensor.raw_data(), tensor.nbytes(), 1);
      options.setRoot(root);
      options.setTag(tag);
      gloo::broadcast(options);
    });
  }

  WorkHandle all_gather(const Tensor& output, const Tensor& input) override {
    check_dense("all_gather", output);
    check_dense("all_gather", input);
    check(output.dtype() == input.dtype() && output.numel() == input.numel() * size(),
          "all_gather: output {}, input {}, expected {} times as many elements", describe(output), describe(input),
          size());
    return enqueue("all_gather", input, [=, this](uint32_t tag) {
      if (input.numel() == 0) return;
      gloo::AllgatherOptions options(context_);
      options.setInput(static_cast<uint8_t*>(input.raw_data()), input.nbytes());
      options.setOutput(static_cast<uint8_t*>(output.raw_data()), output.nbytes());
      options.setTag(tag);
      gloo::allgather(options);
    });
  }

  WorkHandle reduce_scatter(const Tensor& output, const Tensor& input, ReduceOp op) override {
    check_dense("reduce_scatter", output);
    check_dense("reduce_scatter", input);
    check(output.dtype() == input.dtype() && input.numel() == output.numel() * size(),
          "reduce_scatter: output {}, input {}, expected {} times as many elements", describe(output), describe(input),
          size());
    // Gloo's own one needs a transport with bound buffers; an all-reduce gives the same bits for twice the bytes.
    const Tensor whole = ops::clone(input);
    const Reduce reduce = reduce_function(input.dtype(), op == ReduceOp::Max);
    return enqueue("reduce_scatter", input, [=, this](uint32_t tag) {
      run_all_reduce(whole, op, reduce, tag);
      std::memcpy(output.raw_data(),
                  static_cast<const char*>(whole.raw_data()) + output.nbytes() * static_cast<size_t>(rank()),
                  output.nbytes());
    });
  }

  WorkHandle send(const Tensor& tensor, int to) override {
    check_dense("send", tensor);
    check_peer("send", to, false);
    return enqueue("send", tensor, true, [=, this](uint32_t) {
      const auto buffer = context_->createUnboundBuffer(tensor.raw_data(), tensor.nbytes());
      buffer->send(to, kMessageSlot);
      buffer->waitSend();
    });
  }

  WorkHandle receive(const Tensor& tensor, int from) override {
    check_dense("receive", tensor);
    check_peer("receive", from, false);
    return enqueue("receive", tensor, true, [=, this](uint32_t) {
      const auto buffer = context_->createUnboundBuffer(tensor.raw_data(), tensor.nbytes());
      buffer->recv(from, kMessageSlot);
      buffer->waitRecv();
    });
  }

  void barrier() override {
    enqueue("barrier", Tensor(), [this](uint32_t tag) {
      gloo::BarrierOptions options(context_);
      options.setTag(tag);
      gloo::barrier(options);
    })->wait();
  }

  std::unique_ptr<ProcessGroup> duplicate(const std::string& name) override {
    return std::make_unique<GlooGroup>(meeting_, name);
  }
  void set_place(const std::string& place) override { meeting_->set_place(place); }
  void report_failure(const std::string& message) override { meeting_->report_failure(message); }
  void leave() override {
    try {
      meeting_->leave();
    } catch (const PeerLost&) {
      throw;
    } catch (const Error&) {
      barrier();  // the agent's store is gone; the ranks are not
    }
  }
  GroupTraffic traffic() const override {
    const std::lock_guard lock(mutex_);
    return traffic_;
  }

 private:
  static constexpr uint64_t kMessageSlot = uint64_t{0xBE} << 56;

  struct Job {
    std::string call;
    std::function<void(uint32_t tag)> run;
    Clock::time_point asked = Clock::now();
    std::promise<Clock::time_point> done;  // when it ended
    int64_t flight = 0;                    // its number in the flight record
    bool is_message = false;               // between two ranks: the others know nothing of it
  };

  class Handle final : public Work {
   public:
    Handle(GlooGroup& group, std::future<Clock::time_point> future) : group_(group), future_(std::move(future)) {}
    ~Handle() override {
      if (future_.valid()) future_.wait();
    }
    void wait() override {
      const auto start = Clock::now();
      const Clock::time_point end = future_.get();
      const std::lock_guard lock(group_.mutex_);
      group_.traffic_.waited += std::max(0.0, std::chrono::duration<double>(end - start).count());
    }

   private:
    GlooGroup& group_;
    std::future<Clock::time_point> future_;
  };

  void check_peer(const char* call, int peer, bool may_be_self) const {
    check(peer >= 0 && peer < size() && (may_be_self || peer != rank()), "{}: there is no {}rank {} in a group of {}",
          call, may_be_self ? "" : "other ", peer, size());
  }

  WorkHandle enqueue(const char* call, const Tensor& tensor, std::function<void(uint32_t)> run) {
    return enqueue(call, tensor, false, std::move(run));
  }

  WorkHandle enqueue(const char* call, const Tensor& tensor, bool is_message, std::function<void(uint32_t)> run) {
    Job job;
    job.is_message = is_message;
    job.call = tensor.defined() ? fmt::format("{} of {}", call, describe(tensor)) : call;
    job.run = std::move(run);
    job.flight = meeting_->flight().ask(name_, job.call, meeting_->place());
    auto handle = std::make_unique<Handle>(*this, job.done.get_future());
    {
      const std::lock_guard lock(mutex_);
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
    return handle;
  }

  void run_all_reduce(const Tensor& tensor, ReduceOp op, Reduce reduce, uint32_t tag) {
    if (tensor.numel() == 0) return;
    gloo::AllreduceOptions options(context_);
    set_output(options, tensor.raw_data(), tensor.nbytes(), item_size(tensor.dtype()));
    options.setReduceFunction(reduce);
    options.setAlgorithm(gloo::AllreduceOptions::Algorithm::RING);
    options.setTag(tag);
    gloo::allreduce(options);
    if (op == ReduceOp::Average) ops::mul_(tensor, 1.0 / size());
  }

  void run() {
    uint32_t tag = 0;
    Clock::time_point last_end;
    for (;;) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return stop_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      const int64_t sent_before = mesh_->bytes_sent();
      try {
        if (failure_) std::rethrow_exception(failure_);
        meeting_->flight().begin(job.flight);
        // Tags count collectives: what two ranks send one another must not set them apart from a third.
        job.run(job.is_message ? 0 : tag++);
        meeting_->flight().end(job.flight);
        lock.lock();
        const auto end = Clock::now();
        ++traffic_.calls;
        // From when it was asked for: whoever waits for it waits for the start of this thread too.
        traffic_.busy += std::chrono::duration<double>(end - std::max(job.asked, last_end)).count();
        last_end = end;
        traffic_.bytes_sent += mesh_->bytes_sent() - sent_before;
        lock.unlock();
        job.done.set_value(end);
      } catch (...) {
        fail_job(job);
      }
    }
  }

  /// After a failure messages may be half sent: the group is of no use any more.
  void fail_job(Job& job) {
    if (!failure_) {
      try {
        throw;
      } catch (const PeerLost& lost) {
        failure_ = std::make_exception_ptr(PeerLost(lost.peer(), lost.silent(), meeting_->explain(lost, job.call)));
      } catch (const std::exception& error) {
        failure_ = std::make_exception_ptr(
            Error(fmt::format("rank {} at {}, {}: {}", rank(), meeting_->place(), job.call, error.what())));
      }
    }
    job.done.set_exception(failure_);
  }

  std::shared_ptr<Meeting> meeting_;
  std::string name_;
  std::unique_ptr<Mesh> mesh_;
  std::shared_ptr<gloo::Context> context_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  GroupTraffic traffic_;
  bool stop_ = false;
  std::exception_ptr failure_;  // of the thread below alone
  std::thread thread_;
};

}  // namespace

std::unique_ptr<ProcessGroup> make_gloo_group(std::shared_ptr<Meeting> meeting, const std::string& name) {
  return std::make_unique<GlooGroup>(std::move(meeting), name);
}

}  // namespace bevgrad
