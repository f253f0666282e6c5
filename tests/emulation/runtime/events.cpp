// The calls about events.
#include <chrono>

#include "runtime/fault.h"
#include "runtime/graph.h"
#include "runtime/machine.h"
#include "runtime/scheduler.h"

namespace bevgrad::emulation {
namespace {

Event& event_of(cudaEvent_t handle, const char* function) {
  auto found = machine().events.find(reinterpret_cast<uintptr_t>(handle));
  if (found == machine().events.end()) fault("{}: an event that does not exist, or was destroyed", function);
  return *found->second;
}

}  // namespace
}  // namespace bevgrad::emulation

using namespace bevgrad::emulation;

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* handle, unsigned flags) {
  Call call("cudaEventCreateWithFlags");
  if (call.refused()) return call.result();
  if (flags & ~unsigned{cudaEventBlockingSync | cudaEventDisableTiming}) return call.result(cudaErrorInvalidValue);
  auto event = std::make_unique<Event>();
  event->device = current_device();
  event->timed = !(flags & cudaEventDisableTiming);
  const uintptr_t number = machine().next_handle += 16;
  machine().events.emplace(number, std::move(event));
  *handle = reinterpret_cast<cudaEvent_t>(number);
  return call.result();
}

cudaError_t cudaEventCreate(cudaEvent_t* handle) {
  return cudaEventCreateWithFlags(handle, cudaEventDefault);
}

// Streams that wait for it still do.
cudaError_t cudaEventDestroy(cudaEvent_t handle) {
  Call call("cudaEventDestroy");
  if (call.refused()) return call.result();
  event_of(handle, call.function());
  machine().events.erase(reinterpret_cast<uintptr_t>(handle));
  return call.result();
}

cudaError_t cudaEventRecord(cudaEvent_t handle, cudaStream_t stream_handle) {
  Call call("cudaEventRecord");
  if (call.refused()) return call.result();
  Event& event = event_of(handle, call.function());
  Stream& stream = stream_of(stream_handle, call.function());
  if (event.device != stream.device) {
    fault("wrong device: cudaEventRecord: an event of device {} on a stream of device {}", event.device, stream.device);
  }
  event.captured = stream.capture != nullptr;
  if (stream.capture) {
    event.capture = stream.capture;
    event.captured_last = stream.captured_last;
    event.mark.reset();
  } else {
    event.mark = std::make_shared<Mark>();
    submit_mark(stream, event.mark);
  }
  return call.result();
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream_handle, cudaEvent_t handle, unsigned flags) {
  Call call("cudaStreamWaitEvent");
  if (call.refused()) return call.result();
  if (flags != cudaEventWaitDefault) return call.result(cudaErrorInvalidValue);
  Event& event = event_of(handle, call.function());
  Stream& stream = stream_of(stream_handle, call.function());
  if (event.captured) {
    const std::shared_ptr<Capture> capture = event.capture.lock();
    if (!capture || !capture->origin().capture) return call.result(cudaErrorCapturedEvent);
    if (stream.capture && stream.capture != capture) return call.result(cudaErrorStreamCaptureMerge);
    capture->join(stream, event.captured_last);
  } else if (stream.capture) {
    // What was queued before the capture is not part of it.
    if (event.mark) {
      stream.capture->invalidate();
      return call.result(cudaErrorStreamCaptureIsolation);
    }
  } else if (event.mark) {
    submit_wait(stream, event.mark);
  }
  return call.result();
}

cudaError_t cudaEventSynchronize(cudaEvent_t handle) {
  Call call("cudaEventSynchronize");
  if (call.refused()) return call.result();
  Event& event = event_of(handle, call.function());
  if (event.captured) return call.result(cudaErrorCapturedEvent);
  if (!event.mark) return call.result();
  const std::shared_ptr<Mark> mark = event.mark;
  run_until(call.lock(), *mark->stream, [&] { return mark->passed; });
  machine().host.join(mark->clock);
  return call.result();
}

cudaError_t cudaEventQuery(cudaEvent_t handle) {
  Call call("cudaEventQuery");
  if (call.refused()) return call.result();
  Event& event = event_of(handle, call.function());
  if (event.captured) return call.result(cudaErrorCapturedEvent);
  if (capture_forbids_call()) return call.result(cudaErrorStreamCaptureUnsupported);
  if (!event.mark) return call.result();
  const std::shared_ptr<Mark> mark = event.mark;
  if (!mark->passed) run_some(call.lock());
  if (!mark->passed) return call.result(cudaErrorNotReady);
  machine().host.join(mark->clock);
  return call.result();
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start_handle, cudaEvent_t end_handle) {
  Call call("cudaEventElapsedTime");
  if (call.refused()) return call.result();
  const Event& start = event_of(start_handle, call.function());
  const Event& end = event_of(end_handle, call.function());
  if (!start.timed || !end.timed || !start.mark || !end.mark) return call.result(cudaErrorInvalidResourceHandle);
  if (!start.mark->passed || !end.mark->passed) return call.result(cudaErrorNotReady);
  *milliseconds = std::chrono::duration<float, std::milli>(end.mark->time - start.mark->time).count();
  return call.result();
}
