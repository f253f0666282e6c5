#include "runtime/graph.h"

#include <algorithm>
#include <unordered_map>

#include "runtime/fault.h"
#include "runtime/machine.h"
#include "runtime/perform.h"
#include "runtime/scheduler.h"

namespace bevgrad::emulation {
namespace {

thread_local cudaStreamCaptureMode mode_of_thread = cudaStreamCaptureModeGlobal;

std::unordered_map<uintptr_t, std::shared_ptr<const Nodes>>& graphs() {
  static auto& all = *new std::unordered_map<uintptr_t, std::shared_ptr<const Nodes>>;
  return all;
}

template <class Handle>
Handle keep(std::shared_ptr<const Nodes> nodes) {
  const uintptr_t handle = machine().next_handle += 16;
  graphs()[handle] = std::move(nodes);
  return reinterpret_cast<Handle>(handle);
}

template <class Handle>
std::shared_ptr<const Nodes> find(Handle handle, const char* function) {
  auto found = graphs().find(reinterpret_cast<uintptr_t>(handle));
  if (found == graphs().end()) fault("{}: a graph that does not exist, or was destroyed", function);
  return found->second;
}

// In any order that the dependencies allow.
void run_nodes(const Nodes& nodes, const Moment& moment) {
  std::vector<size_t> waits_for(nodes.size(), 0);
  std::vector<std::vector<size_t>> followers(nodes.size());
  std::vector<size_t> ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    waits_for[i] = nodes[i].after.size();
    for (size_t before : nodes[i].after) followers[before].push_back(i);
    if (waits_for[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    std::swap(ready[machine().random.below(ready.size())], ready.back());
    const size_t next = ready.back();
    ready.pop_back();
    if (nodes[next].task.run) perform(nodes[next].task, moment);
    for (size_t follower : followers[next]) {
      if (--waits_for[follower] == 0) ready.push_back(follower);
    }
  }
}

}  // namespace

Capture::Capture(Stream& origin, cudaStreamCaptureMode mode) : origin_(&origin), mode_(mode), streams_{&origin} {}

void Capture::add(Stream& stream, Task task) {
  if (task.ready) fault("capture: {} cannot be captured", readable(task.name));
  nodes_->push_back({std::move(task), stream.captured_last});
  stream.captured_last = {nodes_->size() - 1};
}

void Capture::join(Stream& stream, const std::vector<size_t>& after) {
  if (!stream.capture) {
    stream.capture = shared_from_this();
    stream.captured_last.clear();
    streams_.push_back(&stream);
  }
  for (size_t node : after) {
    if (std::ranges::find(stream.captured_last, node) == stream.captured_last.end()) {
      stream.captured_last.push_back(node);
    }
  }
}

bool Capture::end() {
  std::vector<bool> reached(nodes_->size(), false);
  std::vector<size_t> open = origin_->captured_last;
  while (!open.empty()) {
    const size_t node = open.back();
    open.pop_back();
    if (reached[node]) continue;
    reached[node] = true;
    open.insert(open.end(), (*nodes_)[node].after.begin(), (*nodes_)[node].after.end());
  }
  // Keeps this alive while the streams let go of it.
  const std::shared_ptr<Capture> self = shared_from_this();
  bool joined = true;
  for (Stream* stream : streams_) {
    for (size_t node : stream->captured_last) joined = joined && reached[node];
    stream->capture.reset();
    stream->captured_last.clear();
  }
  return joined;
}

bool capture_forbids_call() {
  if (mode_of_thread == cudaStreamCaptureModeRelaxed) return false;
  bool forbidden = false;
  for (const auto& weak : machine().captures) {
    const std::shared_ptr<Capture> capture = weak.lock();
    if (!capture || capture->mode() == cudaStreamCaptureModeRelaxed) continue;
    const bool mine = capture->thread() == std::this_thread::get_id();
    const bool everybodys =
        mode_of_thread == cudaStreamCaptureModeGlobal && capture->mode() == cudaStreamCaptureModeGlobal;
    if (!mine && !everybodys) continue;
    capture->invalidate();
    forbidden = true;
  }
  return forbidden;
}

}  // namespace bevgrad::emulation

using namespace bevgrad::emulation;

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  Call call("cudaStreamBeginCapture");
  if (call.refused()) return call.result();
  if (!handle) return call.result(cudaErrorStreamCaptureUnsupported);  // the default stream
  Stream& stream = stream_of(handle, call.function());
  if (stream.capture) return call.result(cudaErrorIllegalState);
  stream.capture = std::make_shared<Capture>(stream, mode);
  stream.captured_last.clear();
  std::erase_if(machine().captures, [](const auto& capture) { return capture.expired(); });
  machine().captures.push_back(stream.capture);
  return call.result();
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  Call call("cudaStreamEndCapture");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  *graph = nullptr;
  const std::shared_ptr<Capture> capture = stream.capture;
  if (!capture) return call.result(cudaErrorIllegalState);
  if (&capture->origin() != &stream) return call.result(cudaErrorStreamCaptureUnmatched);
  const bool joined = capture->end();
  if (capture->invalid()) return call.result(cudaErrorStreamCaptureInvalidated);
  if (!joined) return call.result(cudaErrorStreamCaptureUnjoined);
  *graph = keep<cudaGraph_t>(capture->nodes());
  return call.result();
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  Call call("cudaStreamIsCapturing");
  if (call.refused()) return call.result();
  const std::shared_ptr<Capture>& capture = stream_of(handle, call.function()).capture;
  *status = !capture             ? cudaStreamCaptureStatusNone
            : capture->invalid() ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
  return call.result();
}

cudaError_t cudaThreadExchangeStreamCaptureMode(cudaStreamCaptureMode* mode) {
  Call call("cudaThreadExchangeStreamCaptureMode");
  if (call.refused()) return call.result();
  std::swap(*mode, mode_of_thread);
  return call.result();
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long flags) {
  Call call("cudaGraphInstantiate");
  if (call.refused()) return call.result();
  if (flags != 0) fault("cudaGraphInstantiate: flags {} are not emulated", flags);
  *exec = keep<cudaGraphExec_t>(find(graph, call.function()));
  return call.result();
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t handle) {
  Call call("cudaGraphLaunch");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(handle, call.function());
  std::shared_ptr<const Nodes> nodes = find(exec, call.function());
  if (stream.capture) fault("cudaGraphLaunch: a graph within a graph is not emulated");
  for (const Node& node : *nodes) {
    for (const Touch& touch : node.task.touches) {
      if (!touch.allocation->given_back || touch.allocation->graph) continue;
      fault("use after free: a graph is launched, and {} in it uses {}, which was given back since",
            readable(node.task.name), touch.allocation->describe());
    }
  }
  Task task;
  task.name = "a graph";
  task.run = [nodes = std::move(nodes)](const Moment& moment) { run_nodes(*nodes, moment); };
  submit(stream, std::move(task));
  return call.result();
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  Call call("cudaGraphExecDestroy");
  if (call.refused()) return call.result();
  find(exec, call.function());
  graphs().erase(reinterpret_cast<uintptr_t>(exec));
  return call.result();
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  Call call("cudaGraphDestroy");
  if (call.refused()) return call.result();
  find(graph, call.function());
  graphs().erase(reinterpret_cast<uintptr_t>(graph));
  return call.result();
}
