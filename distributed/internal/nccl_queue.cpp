#include "internal/nccl_queue.h"

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "tensor/cuda_stream.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kQueueLook = std::chrono::milliseconds(2);
// Lower is more urgent; the runtime takes the most urgent that the device has.
constexpr int kMostUrgent = -100;

}  // namespace

TimedEvent::TimedEvent(int device) : device_(device) {
  const cuda::DeviceGuard guard(device);
  cuda::check(cudaEventCreateWithFlags(&event_, cudaEventDefault), "cudaEventCreateWithFlags");
}

TimedEvent::~TimedEvent() {
  const cuda::DeviceGuard guard(device_);
  static_cast<void>(cudaEventDestroy(event_));
}

void TimedEvent::record(cudaStream_t stream) {
  const cuda::DeviceGuard guard(device_);
  cuda::check(cudaEventRecord(event_, stream), "cudaEventRecord");
}

void TimedEvent::wait(cudaStream_t stream) const {
  const cuda::DeviceGuard guard(device_);
  cuda::check(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
}

bool TimedEvent::ready() const {
  const cuda::DeviceGuard guard(device_);
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) return false;
  cuda::check(status, "cudaEventQuery");
  return true;
}

double TimedEvent::seconds_since(const TimedEvent& start) const {
  const cuda::DeviceGuard guard(device_);
  float milliseconds = 0;
  cuda::check(cudaEventElapsedTime(&milliseconds, start.event_, event_), "cudaEventElapsedTime");
  return milliseconds / 1e3;
}

NcclQueue::NcclQueue(std::shared_ptr<NcclRun> run, std::unique_ptr<NcclCommunicator> communicator)
    : run_(std::move(run)), communicator_(std::move(communicator)) {
  const cuda::DeviceGuard guard(run_->device());
  cuda::check(cudaStreamCreateWithPriority(&stream_, cudaStreamNonBlocking, kMostUrgent),
              "cudaStreamCreateWithPriority");
  watchdog_ = std::thread([this] { watch(); });
}

NcclQueue::~NcclQueue() {
  try {
    if (std::uncaught_exceptions() == 0 && !run_->has_failed()) close();
  } catch (const std::exception&) {
    // Whoever uses the run next is told.
    run_->fail(std::current_exception());
  }
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  watchdog_.join();
  const cuda::DeviceGuard guard(run_->device());
  communicator_->abort();
  under_way_.clear();
  asked_for_.clear();
  static_cast<void>(cudaStreamDestroy(stream_));
}

Patience NcclQueue::patience(const std::string& call) {
  return [this, call, deadline = Clock::now() + run_->meeting().timeout()] {
    run_->check();
    run_->check_peers(call);
    if (Clock::now() > deadline) run_->give_up(call);
  };
}

void NcclQueue::push(const std::shared_ptr<Job>& job, const char* name, const Call& call) {
  run_->check();
  job->flight = run_->begin(job->call);
  const cuda::DeviceGuard guard(run_->device());
  try {
    cuda::Event reached(run_->device());
    reached.record(cuda::compute_stream(run_->device()));
    reached.wait(stream_);
    job->start.emplace(run_->device()).record(stream_);
    communicator_->run(
        name, [&](ncclComm_t communicator) { return call(communicator, stream_); }, patience(job->call));
    job->end.emplace(run_->device()).record(stream_);
  } catch (const PeerLost&) {
    run_->fail(std::current_exception());
  } catch (const std::exception& error) {
    run_->fail(run_->own_error(job->call, error.what()));
  }
  run_->check();
  {
    const std::lock_guard lock(mutex_);
    under_way_.push_back(job);
    ++traffic_.calls;
    traffic_.bytes_sent += job->bytes_sent;
  }
  wake_.notify_all();
}

void NcclQueue::wait(Job& job) {
  const cudaStream_t compute = cuda::compute_stream(run_->device());
  {
    const std::lock_guard lock(mutex_);
    // After a failure too: the memory goes back in the order of the compute stream.
    if (job.end) {
      if (!job.asked) job.asked.emplace(run_->device()).record(compute);
      job.end->wait(compute);
    }
    job.tensors.clear();
  }
  run_->check();
}

void NcclQueue::close() {
  if (std::exchange(is_closed_, true)) return;
  {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return under_way_.empty() || run_->has_failed(); });
  }
  run_->check();
  communicator_->close(patience("closing a group"));
}

GroupTraffic NcclQueue::traffic() const {
  const std::lock_guard lock(mutex_);
  return traffic_;
}

void NcclQueue::watch() {
  const cuda::DeviceGuard guard(run_->device());
  // Another thread may be recording a graph: asking for events must not spoil it.
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  static_cast<void>(cudaThreadExchangeStreamCaptureMode(&mode));
  std::unique_lock lock(mutex_);
  while (!stop_) {
    if (under_way_.empty() && asked_for_.empty()) {
      wake_.wait(lock);
      continue;
    }
    std::shared_ptr<Job> first;
    try {
      collect();
      if (!under_way_.empty()) first = under_way_.front();
      lock.unlock();
      if (first) look_after(*first);
      run_->check();
    } catch (const PeerLost&) {
      run_->fail(std::current_exception());
    } catch (const std::exception& error) {
      run_->fail(run_->own_error(first ? first->call : "a collective", error.what()));
    }
    if (run_->has_failed()) {
      // What runs on the device ends, so that nobody waits for it any longer.
      communicator_->abort();
      if (!lock.owns_lock()) lock.lock();
      under_way_.clear();
      asked_for_.clear();
      done_.notify_all();
      continue;
    }
    lock.lock();
    if (under_way_.empty()) done_.notify_all();
    wake_.wait_for(lock, kQueueLook);
  }
}

/// Takes what has ended out of the queue. The lock is held.
void NcclQueue::collect() {
  while (!under_way_.empty() && under_way_.front()->end->ready()) {
    Job& job = *under_way_.front();
    traffic_.busy += job.end->seconds_since(*job.start);
    run_->meeting().flight().end(job.flight);
    asked_for_.push_back(std::move(under_way_.front()));
    under_way_.pop_front();
  }
  std::erase_if(asked_for_, [this](const std::shared_ptr<Job>& job) {
    if (!job->asked) return job.use_count() == 1;  // nobody will ask
    if (!job->asked->ready()) return false;
    traffic_.waited += std::max(0.0, job->end->seconds_since(*job->asked));
    return true;
  });
}

/// Throws where the first collective of those under way will not end.
void NcclQueue::look_after(Job& first) {
  run_->check_peers(first.call);
  if (const std::string error = communicator_->asynchronous_error(); !error.empty()) {
    if (communicator_->lost_a_rank()) run_->report_remote_error(first.call, error);
    fail("{}", error);
  }
  // As long as the device is busy with something before it, no other rank is to blame.
  if (!first.is_running && first.start->ready()) {
    first.is_running = true;
    first.seen_running = Clock::now();
  }
  if (first.is_running && Clock::now() - first.seen_running > run_->meeting().timeout()) run_->give_up(first.call);
}

}  // namespace bevgrad
