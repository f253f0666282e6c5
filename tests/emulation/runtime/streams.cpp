// The calls about streams.
#include "emulation/operation.h"
#include "runtime/fault.h"
#include "runtime/graph.h"
#include "runtime/machine.h"
#include "runtime/perform.h"
#include "runtime/scheduler.h"

namespace bevgrad::emulation {

cudaError_t enqueue(cudaStream_t handle, Operation operation) {
  Call call(operation.name);
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  submit(stream, make_task(std::move(operation), stream.device));
  return call.result();
}

int device_of(cudaStream_t handle) {
  Call call("device_of");
  return stream_of(handle, call.function()).device;
}

}  // namespace bevgrad::emulation

using namespace bevgrad::emulation;

namespace {

cudaError_t create(const char* function, cudaStream_t* handle, unsigned flags) {
  Call call(function);
  if (call.refused()) return call.result();
  if (flags != cudaStreamNonBlocking) {
    fault("{}: a stream that waits for the default stream is not emulated: pass cudaStreamNonBlocking", function);
  }
  *handle = handle_of(machine().new_stream(current_device()));
  return call.result();
}

}  // namespace

// All priorities are alike here: none promises an order.
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* handle, unsigned flags, int) {
  return create("cudaStreamCreateWithPriority", handle, flags);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* handle, unsigned flags) {
  return create("cudaStreamCreateWithFlags", handle, flags);
}

cudaError_t cudaDeviceGetStreamPriorityRange(int* least, int* greatest) {
  Call call("cudaDeviceGetStreamPriorityRange");
  if (call.refused()) return call.result();
  *least = 0;
  *greatest = -5;
  return call.result();
}

// What is queued still runs.
cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  Call call("cudaStreamDestroy");
  if (call.refused()) return call.result();
  if (!handle) return call.result(cudaErrorInvalidResourceHandle);
  Stream& stream = stream_of(handle, call.function());
  if (stream.capture) fault("cudaStreamDestroy: stream {} is being captured", stream.number);
  stream.destroyed = true;
  return call.result();
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  Call call("cudaStreamSynchronize");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  if (stream.capture) {
    stream.capture->invalidate();
    return call.result(cudaErrorStreamCaptureUnsupported);
  }
  finish(call.lock(), stream);
  return call.result();
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  Call call("cudaStreamQuery");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  if (stream.capture) {
    stream.capture->invalidate();
    return call.result(cudaErrorStreamCaptureUnsupported);
  }
  if (!stream.queue.empty()) run_some(call.lock());
  if (!stream.queue.empty()) return call.result(cudaErrorNotReady);
  machine().host.join(stream.clock);
  return call.result();
}

cudaError_t cudaDeviceSynchronize() {
  Call call("cudaDeviceSynchronize");
  if (call.refused()) return call.result();
  if (capture_forbids_call()) return call.result(cudaErrorStreamCaptureUnsupported);
  finish_device(call.lock(), current_device());
  return call.result();
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* user_data) {
  Call call("cudaLaunchHostFunc");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  if (stream.capture) fault("cudaLaunchHostFunc: a host function in a graph is not emulated");
  Task task;
  task.name = "a host function";
  task.on_host = true;
  task.run = [=](const Moment&) { function(user_data); };
  submit(stream, std::move(task));
  return call.result();
}
