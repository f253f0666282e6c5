// Stream capture and graphs.
#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

struct Graph {
  explicit Graph(cudaGraph_t captured) {
    EXPECT_OK(cudaGraphInstantiate(&exec, captured));
    EXPECT_OK(cudaGraphDestroy(captured));
  }
  ~Graph() { EXPECT_OK(cudaGraphExecDestroy(exec)); }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  cudaGraphExec_t exec = nullptr;
};

TEST(Graph, RunsWhatWasCapturedAtEveryLaunch) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream stream;
    Array<float> values(100);
    ASSERT_OK(launch_indices(stream, 100, Fill{values.data, 0}));
    ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    ASSERT_OK(launch_indices(stream, 100, AddNumber{values.data, values.data, 1}));
    ASSERT_OK(launch_indices(stream, 100, AddNumber{values.data, values.data, 10}));
    cudaGraph_t captured = nullptr;
    ASSERT_OK(cudaStreamEndCapture(stream, &captured));
    const Graph graph(captured);
    EXPECT_EQ(to_host(values.data, 100, stream), std::vector<float>(100, 0));
    for (int i = 0; i < 3; ++i) ASSERT_OK(cudaGraphLaunch(graph.exec, stream));
    EXPECT_EQ(to_host(values.data, 100, stream), std::vector<float>(100, 33));
  }
}

// first: source = 1; second, after it: left = source + 1; first: right = source + 2; joined: left = left + right's
// 0th...
float run_fork(uint64_t seed, bool join) {
  reseed(seed);
  Stream first;
  Stream second;
  Event fork;
  Event joined;
  Array<float> source(10);
  Array<float> left(10);
  Array<float> sum(10);
  EXPECT_OK(cudaStreamBeginCapture(first, cudaStreamCaptureModeRelaxed));
  EXPECT_OK(launch_indices(first, 10, Fill{source.data, 1}));
  EXPECT_OK(cudaEventRecord(fork, first));
  EXPECT_OK(cudaStreamWaitEvent(second, fork));
  EXPECT_OK(launch_indices(second, 10, AddNumber{left.data, source.data, 1}));
  cudaStreamCaptureStatus status{};
  EXPECT_OK(cudaStreamIsCapturing(second, &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusActive);
  if (join) {
    EXPECT_OK(cudaEventRecord(joined, second));
    EXPECT_OK(cudaStreamWaitEvent(first, joined));
  }
  EXPECT_OK(launch_indices(first, 10, AddNumber{sum.data, left.data, 1}));
  cudaGraph_t captured = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(first, &captured);
  EXPECT_OK(cudaStreamIsCapturing(second, &status));
  EXPECT_EQ(status, cudaStreamCaptureStatusNone);
  if (!join) {
    EXPECT_EQ(ended, cudaErrorStreamCaptureUnjoined);
    EXPECT_EQ(cudaGetLastError(), cudaErrorStreamCaptureUnjoined);
    return 0;
  }
  EXPECT_OK(ended);
  const Graph graph(captured);
  EXPECT_OK(cudaGraphLaunch(graph.exec, first));
  return to_host(sum.data, 10, first)[9];
}

TEST(Graph, StreamsJoinThroughEvents) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) EXPECT_EQ(run_fork(seed, true), 3);
}

TEST(Graph, EveryStreamMustBeJoined) {
  run_fork(1, false);
}

TEST(Graph, WaitsForTheDeviceAreRefusedDuringCapture) {
  Stream stream;
  Event event;
  void* data = nullptr;
  cudaGraph_t captured = nullptr;
  const auto expect_broken = [&](cudaError_t result, cudaError_t expected) {
    EXPECT_EQ(result, expected);
    cudaStreamCaptureStatus status{};
    EXPECT_OK(cudaStreamIsCapturing(stream, &status));
    EXPECT_EQ(status, cudaStreamCaptureStatusInvalidated);
    EXPECT_EQ(cudaStreamEndCapture(stream, &captured), cudaErrorStreamCaptureInvalidated);
    EXPECT_EQ(captured, nullptr);
  };
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  EXPECT_EQ(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), cudaErrorIllegalState);
  expect_broken(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  expect_broken(cudaStreamQuery(stream), cudaErrorStreamCaptureUnsupported);
  for (const auto mode : {cudaStreamCaptureModeGlobal, cudaStreamCaptureModeThreadLocal}) {
    ASSERT_OK(cudaStreamBeginCapture(stream, mode));
    expect_broken(cudaMalloc(&data, 64), cudaErrorStreamCaptureUnsupported);
  }
  // What was recorded before the capture is not in it.
  ASSERT_OK(cudaEventRecord(event, stream));
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  expect_broken(cudaStreamWaitEvent(stream, event), cudaErrorStreamCaptureIsolation);
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  ASSERT_OK(cudaEventRecord(event, stream));
  EXPECT_EQ(cudaEventSynchronize(event), cudaErrorCapturedEvent);
  ASSERT_OK(cudaStreamEndCapture(stream, &captured));
  ASSERT_OK(cudaGraphDestroy(captured));
  static_cast<void>(cudaGetLastError());
}

TEST(Graph, MemoryCanBeAllocatedDuringARelaxedCapture) {
  Stream stream;
  void* data = nullptr;
  cudaGraph_t captured = nullptr;
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  ASSERT_OK(cudaMalloc(&data, 64));
  ASSERT_OK(cudaMemsetAsync(data, 0, 64, stream));
  ASSERT_OK(cudaStreamEndCapture(stream, &captured));
  ASSERT_OK(cudaGraphDestroy(captured));
  cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
  ASSERT_OK(cudaThreadExchangeStreamCaptureMode(&mode));
  EXPECT_EQ(mode, cudaStreamCaptureModeGlobal);
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
  void* more = nullptr;
  EXPECT_OK(cudaMalloc(&more, 64));
  ASSERT_OK(cudaStreamEndCapture(stream, &captured));
  ASSERT_OK(cudaThreadExchangeStreamCaptureMode(&mode));
  ASSERT_OK(cudaGraphDestroy(captured));
  ASSERT_OK(cudaFree(more));
  ASSERT_OK(cudaFree(data));
}

TEST(Graph, PooledMemoryOfACaptureLivesInTheGraph) {
  Stream stream;
  Array<float> result(10);
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  void* data = nullptr;
  ASSERT_OK(cudaMallocAsync(&data, 40, stream));
  ASSERT_OK(launch_indices(stream, 10, Fill{static_cast<float*>(data), 1}));
  ASSERT_OK(launch_indices(stream, 10, AddNumber{result.data, static_cast<float*>(data), 1}));
  ASSERT_OK(cudaFreeAsync(data, stream));
  cudaGraph_t captured = nullptr;
  ASSERT_OK(cudaStreamEndCapture(stream, &captured));
  const Graph graph(captured);
  for (int i = 0; i < 3; ++i) ASSERT_OK(cudaGraphLaunch(graph.exec, stream));
  EXPECT_EQ(to_host(result.data, 10, stream), std::vector<float>(10, 2));
  EXPECT_DEATH(launch_indices(stream, 10, Fill{static_cast<float*>(data), 1}), "use after free");
}

TEST(Graph, DoesNotOutliveItsMemory) {
  Stream stream;
  void* data = nullptr;
  ASSERT_OK(cudaMallocAsync(&data, 40, stream));
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  ASSERT_OK(launch_indices(stream, 10, Fill{static_cast<float*>(data), 1}));
  EXPECT_DEATH(cudaFreeAsync(data, stream), "allocated before the capture");
  cudaGraph_t captured = nullptr;
  ASSERT_OK(cudaStreamEndCapture(stream, &captured));
  const Graph graph(captured);
  ASSERT_OK(cudaFreeAsync(data, stream));
  EXPECT_DEATH(cudaGraphLaunch(graph.exec, stream),
               "use after free: a graph is launched, and kernel.* in it uses an allocation of 40 bytes");
}

TEST(Graph, CopiesReadTheStagingBufferAtEveryLaunch) {
  Stream stream;
  Pinned<float> staging(1);
  Array<float> value(1);
  std::vector<float> pageable(1);
  staging.data[0] = 1;
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
  ASSERT_OK(cudaMemcpyAsync(value.data, staging.data, 4, cudaMemcpyHostToDevice, stream));
  EXPECT_DEATH(cudaMemcpyAsync(value.data, pageable.data(), 4, cudaMemcpyHostToDevice, stream),
               "capture: a copy from pageable host memory cannot be captured");
  EXPECT_DEATH(cudaMemcpyAsync(pageable.data(), value.data, 4, cudaMemcpyDeviceToHost, stream),
               "capture: a copy to pageable host memory cannot be captured");
  cudaGraph_t captured = nullptr;
  ASSERT_OK(cudaStreamEndCapture(stream, &captured));
  const Graph graph(captured);
  for (const float number : {2.0f, 3.0f}) {
    staging.data[0] = number;
    ASSERT_OK(cudaGraphLaunch(graph.exec, stream));
    EXPECT_EQ(to_host(value.data, 1, stream)[0], number);
  }
}

TEST(Graph, HandlesAreNotUsedAfterTheirEnd) {
  Stream stream;
  ASSERT_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
  cudaGraph_t captured = nullptr;
  ASSERT_OK(cudaStreamEndCapture(stream, &captured));
  ASSERT_OK(cudaGraphDestroy(captured));
  EXPECT_DEATH(cudaGraphDestroy(captured), "a graph that does not exist, or was destroyed");
  cudaGraphExec_t exec = nullptr;
  EXPECT_DEATH(cudaGraphInstantiate(&exec, captured), "a graph that does not exist, or was destroyed");
}

}  // namespace
}  // namespace bevgrad::emulation::testing
