#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>

#include "base/error.h"
#include "internal/cuda_capture.h"
#include "tensor/cuda_stream.h"
#include "tensor/device_counts.h"

namespace bevgrad::cuda {
namespace {

constexpr int kMaxDevices = 64;

struct Streams {
  std::once_flag made;
  cudaStream_t compute = nullptr;
  cudaStream_t copy = nullptr;
  cudaStream_t recording = nullptr;
  std::mutex recorder;  // who records
  std::mutex mutex;
  std::exception_ptr poisoned;
};

// Never destroyed: tensors in static storage may be let go after any of our objects.
Streams& streams(int device) {
  static auto& all = *new std::array<Streams, kMaxDevices>;
  bevgrad::check(device >= 0 && device < kMaxDevices, "cuda:{} is not a device", device);
  Streams& mine = all[device];
  std::call_once(mine.made, [&] {
    const DeviceGuard guard(device);
    check(cudaStreamCreateWithFlags(&mine.compute, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    check(cudaStreamCreateWithFlags(&mine.copy, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    check(cudaStreamCreateWithFlags(&mine.recording, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  });
  return mine;
}

void check_trust(int device) {
  Streams& mine = streams(device);
  const std::lock_guard lock(mine.mutex);
  if (mine.poisoned) std::rethrow_exception(mine.poisoned);
}

// The device that this thread has made current; -1 before the first. A fresh thread's own default is device 0, and
// making that current, even to restore it, would create its context: half a GB that belongs to another process.
thread_local int current_device = -1;

// The device that this process used first, for what belongs to no device.
std::atomic<int> home{-1};

// Whether the device gives this error from now on, whatever it is asked.
bool stays(int error) {
  return error == 214      // cudaErrorECCUncorrectable
         || error == 700   // cudaErrorIllegalAddress
         || error == 714   // cudaErrorHardwareStackError
         || error == 719;  // cudaErrorLaunchFailure
}

// What the user can do about an error, by its number.
const char* advice(int error) {
  if (stays(error))
    return ": what this process had on the GPU is lost; a training goes on from its last checkpoint (--resume auto)";
  switch (error) {
    case 209:  // cudaErrorNoKernelImageForDevice
    case 222:  // cudaErrorUnsupportedPtxVersion
      return ": this build has no code for this GPU and driver; configure it with -DCMAKE_CUDA_ARCHITECTURES=native";
    case 802:  // cudaErrorSystemNotReady
      return ": is the fabric manager (nvidia-fabricmanager) running?";
    default:
      return "";
  }
}

// Where this thread's work goes while it is recorded.
thread_local int recorded_device = -1;
thread_local cudaStream_t recording_stream = nullptr;

}  // namespace

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  const int number = static_cast<int>(status);
  fail("{}: {} (CUDA error {}){}", call, cudaGetErrorString(status), number, advice(number));
}

void check_not_lost(const char* call) {
  // Frees nothing, and gives the error that the device has met.
  const cudaError_t status = cudaFree(nullptr);
  if (stays(static_cast<int>(status))) check(status, call);
}

DeviceGuard::DeviceGuard(int device) : previous_(current_device) {
  if (device == current_device) return;
  check(cudaSetDevice(device), "cudaSetDevice");
  current_device = device;
  int none = -1;
  home.compare_exchange_strong(none, device);
}

DeviceGuard::~DeviceGuard() {
  if (previous_ < 0 || previous_ == current_device) return;
  // A destructor has nobody to tell; a device that cannot be made current fails the next call.
  static_cast<void>(cudaSetDevice(previous_));
  current_device = previous_;
}

int home_device() {
  return std::max(home.load(), 0);
}

cudaStream_t compute_stream(int device) {
  return is_recording(device) ? recording_stream : streams(device).compute;
}
cudaStream_t stream_beside_recording(int device) {
  return streams(device).compute;
}
cudaStream_t copy_stream(int device) {
  return streams(device).copy;
}

void finish(int device) {
  const DeviceGuard guard(device);
  count(DeviceWork::Wait);
  check(cudaStreamSynchronize(compute_stream(device)), "cudaStreamSynchronize");
  check_trust(device);
}

void poison(int device, std::exception_ptr error) {
  Streams& mine = streams(device);
  const std::lock_guard lock(mine.mutex);
  mine.poisoned = std::move(error);
}

Capture::Capture(int device) : device_(device), stream_(streams(device).recording) {
  bevgrad::check(recorded_device < 0, "this thread records already");
  lock_ = std::unique_lock(streams(device).recorder);
  const DeviceGuard guard(device);
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
  is_open_ = true;
  recorded_device = device;
  recording_stream = stream_;
}

Capture::~Capture() {
  if (!is_open_) return;
  const DeviceGuard guard(device_);
  // Left by an exception: what was recorded is thrown away.
  cudaGraph_t graph = nullptr;
  static_cast<void>(cudaStreamEndCapture(stream_, &graph));
  if (graph) static_cast<void>(cudaGraphDestroy(graph));
  recorded_device = -1;
}

cudaGraph_t Capture::end() {
  const DeviceGuard guard(device_);
  is_open_ = false;
  recorded_device = -1;
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_, &graph), "cudaStreamEndCapture");
  return graph;
}

bool is_recording(int device) {
  return device == recorded_device;
}
bool is_recording() {
  return recorded_device >= 0;
}

Event::Event(int device) : device_(device) {
  const DeviceGuard guard(device);
  check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "cudaEventCreateWithFlags");
}

Event::~Event() {
  if (!event_) return;
  const DeviceGuard guard(device_);
  static_cast<void>(cudaEventDestroy(event_));
}

void Event::record(cudaStream_t stream) {
  const DeviceGuard guard(device_);
  check(cudaEventRecord(event_, stream), "cudaEventRecord");
}

void Event::wait(cudaStream_t stream) const {
  const DeviceGuard guard(device_);
  check(cudaStreamWaitEvent(stream, event_, 0), "cudaStreamWaitEvent");
}

void Event::synchronize() const {
  const DeviceGuard guard(device_);
  count(DeviceWork::Wait);
  check(cudaEventSynchronize(event_), "cudaEventSynchronize");
  check_trust(device_);
}

bool Event::ready() const {
  const DeviceGuard guard(device_);
  const cudaError_t status = cudaEventQuery(event_);
  if (status == cudaErrorNotReady) return false;
  check(status, "cudaEventQuery");
  return true;
}

}  // namespace bevgrad::cuda
