// Streams run late and in any order that events and waits allow: what is not ordered is seen.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "emulation/operation.h"
#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

TEST(Streams, WorkWaitsForTheHost) {
  Stream stream;
  reseed(1);
  Array<float> values(1);
  ASSERT_OK(launch_indices(stream, 1, Fill{values.data, 1}));
  EXPECT_GT(queued_operations(), 0u);
  EXPECT_EQ(cudaStreamQuery(stream) == cudaSuccess, queued_operations() == 0);
  ASSERT_OK(cudaStreamSynchronize(stream));
  EXPECT_EQ(queued_operations(), 0u);
  EXPECT_EQ(cudaStreamQuery(stream), cudaSuccess);
}

TEST(Streams, KeepTheirOwnOrder) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream stream;
    Array<float> values(1000);
    ASSERT_OK(launch_indices(stream, 1000, Iota{values.data}));
    for (int i = 0; i < 200; ++i) ASSERT_OK(launch_indices(stream, 1000, AddNumber{values.data, values.data, 1}));
    const std::vector<float> result = to_host(values.data, 1000, stream);
    for (size_t i = 0; i < result.size(); ++i) ASSERT_EQ(result[i], static_cast<float>(i + 200));
  }
}

TEST(Streams, PollingGetsThere) {
  static_cast<void>(cudaGetLastError());
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream stream;
    Event event;
    Array<float> values(1);
    ASSERT_OK(launch_indices(stream, 1, Fill{values.data, 1}));
    ASSERT_OK(cudaEventRecord(event, stream));
    while (cudaEventQuery(event) == cudaErrorNotReady) {
    }
    EXPECT_OK(cudaEventQuery(event));
    EXPECT_OK(cudaGetLastError());
  }
}

// A producer and a consumer on two streams, through the library's stand-in interface with accesses that nobody
// declares: only the order of execution can show what is missing.
float consume(uint64_t seed, bool with_event) {
  reseed(seed);
  Stream first;
  Stream second;
  Event event;
  Array<float> values(2);
  float* data = values.data;
  EXPECT_OK(cudaMemsetAsync(data, 0, 8, first));
  EXPECT_OK(cudaStreamSynchronize(first));
  EXPECT_OK(enqueue(first, {"the producer", {}, [=] { data[0] = 5; }, {}}));
  if (with_event) {
    EXPECT_OK(cudaEventRecord(event, first));
    EXPECT_OK(cudaStreamWaitEvent(second, event));
  }
  EXPECT_OK(enqueue(second, {"the consumer", {}, [=] { data[1] = data[0]; }, {}}));
  EXPECT_OK(cudaStreamSynchronize(second));
  const float result = to_host(data + 1, 1, second)[0];
  EXPECT_OK(cudaStreamSynchronize(first));
  return result;
}

TEST(Order, AnEventMakesEveryOrderRight) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) EXPECT_EQ(consume(seed, true), 5) << seed;
}

TEST(Order, WithoutItSomeOrderIsWrong) {
  int wrong = 0;
  int right = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) ++(consume(seed, false) == 5 ? right : wrong);
  EXPECT_GT(wrong, 0);
  EXPECT_GT(right, 0);
}

TEST(Order, AMissingEventBetweenKernelsIsNamed) {
  Array<float> source(1000);
  Array<float> result(1000);
  const auto run = [&](uint64_t seed) {
    reseed(seed);
    Stream first;
    Stream second;
    static_cast<void>(launch_indices(first, 1000, Fill{source.data, 1}));
    static_cast<void>(launch_indices(second, 1000, AddNumber{result.data, source.data, 1}));
    static_cast<void>(cudaStreamSynchronize(first));
    static_cast<void>(cudaStreamSynchronize(second));
  };
  for (uint64_t seed = 0; seed < 4; ++seed) {
    EXPECT_DEATH(run(seed),
                 "missing synchronisation: kernel\\(.*\\) on stream .* byte .* of an allocation of 4000 bytes "
                 "on device 0, which kernel\\(.*\\) on stream .*; no event and no wait orders the two");
  }
}

TEST(Order, AMissingEventBeforeACopyIsNamed) {
  Array<float> source(1000);
  Pinned<float> target(1000);
  const auto run = [&] {
    Stream compute;
    Stream copies;
    static_cast<void>(launch_indices(compute, 1000, Fill{source.data, 1}));
    static_cast<void>(cudaMemcpyAsync(target.data, source.data, 4000, cudaMemcpyDeviceToHost, copies));
    static_cast<void>(cudaStreamSynchronize(compute));
    static_cast<void>(cudaStreamSynchronize(copies));
  };
  EXPECT_DEATH(run(), "missing synchronisation|read before write");
}

TEST(Order, TheDefaultStreamWaitsForNobody) {
  Stream stream;
  Array<float> source(1000);
  ASSERT_OK(launch_indices(stream, 1000, Fill{source.data, 1}));
  std::vector<float> host(1000);
  EXPECT_DEATH(
      {
        static_cast<void>(cudaMemcpy(host.data(), source.data, 4000, cudaMemcpyDeviceToHost));
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "missing synchronisation|read before write");
}

TEST(Order, FreshMemoryIsUsedElsewhereOnlyAfterAnEvent) {
  const auto run = [](bool with_event) {
    Stream first;
    Stream second;
    Event event;
    void* data = nullptr;
    EXPECT_OK(cudaMallocAsync(&data, 400, first));
    if (with_event) {
      EXPECT_OK(cudaEventRecord(event, first));
      EXPECT_OK(cudaStreamWaitEvent(second, event));
    }
    EXPECT_OK(launch_indices(second, 100, Fill{static_cast<float*>(data), 1}));
    EXPECT_OK(cudaStreamSynchronize(second));
    EXPECT_OK(cudaFreeAsync(data, first));
    EXPECT_OK(cudaStreamSynchronize(first));
  };
  run(true);
  EXPECT_DEATH(run(false), "missing synchronisation|use after free");
}

TEST(Order, MemoryIsGivenBackOnlyWhenOtherStreamsAreDone) {
  for (uint64_t seed = 0; seed < 4; ++seed) {
    const auto run = [seed](bool with_event) {
      reseed(seed);
      Stream first;
      Stream second;
      Event event;
      void* data = nullptr;
      EXPECT_OK(cudaMallocAsync(&data, 400, first));
      EXPECT_OK(cudaStreamSynchronize(first));
      EXPECT_OK(launch_indices(second, 100, Fill{static_cast<float*>(data), 1}));
      if (with_event) {
        EXPECT_OK(cudaEventRecord(event, second));
        EXPECT_OK(cudaStreamWaitEvent(first, event));
      }
      EXPECT_OK(cudaFreeAsync(data, first));
      EXPECT_OK(cudaStreamSynchronize(first));
      EXPECT_OK(cudaStreamSynchronize(second));
    };
    run(true);
    EXPECT_DEATH(run(false),
                 "missing synchronisation: an allocation of 400 bytes on device 0 is given back|use after free");
  }
}

TEST(Order, FreeOfPooledMemoryDoesNotWait) {
  Stream stream;
  void* data = nullptr;
  ASSERT_OK(cudaMallocAsync(&data, 400, stream));
  ASSERT_OK(cudaMemsetAsync(data, 0, 400, stream));
  EXPECT_DEATH(cudaFree(data), "missing synchronisation: cudaFree of an allocation of 400 bytes");
  ASSERT_OK(cudaStreamSynchronize(stream));
  EXPECT_OK(cudaFree(data));
}

TEST(Order, ReadersNeedNoOrderAmongThemselves) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    Stream streams[3];
    Event filled;
    Array<float> weights(1000);
    Array<float> a(1000);
    Array<float> b(1000);
    ASSERT_OK(launch_indices(streams[0], 1000, Fill{weights.data, 1}));
    ASSERT_OK(cudaEventRecord(filled, streams[0]));
    ASSERT_OK(cudaStreamWaitEvent(streams[1], filled));
    ASSERT_OK(cudaStreamWaitEvent(streams[2], filled));
    ASSERT_OK(launch_indices(streams[1], 1000, AddNumber{a.data, weights.data, 1}));
    ASSERT_OK(launch_indices(streams[2], 1000, AddNumber{b.data, weights.data, 2}));
    EXPECT_EQ(to_host(weights.data, 1000, streams[0]), std::vector<float>(1000, 1));
    EXPECT_EQ(to_host(a.data, 1000, streams[1]), std::vector<float>(1000, 2));
    EXPECT_EQ(to_host(b.data, 1000, streams[2]), std::vector<float>(1000, 3));
  }
}

TEST(Order, PartsOfOneAllocationAreApart) {
  Stream streams[2];
  Array<float> flat(2000);
  ASSERT_OK(cudaMemsetAsync(flat.data, 0, 4000, streams[0]));
  ASSERT_OK(cudaMemsetAsync(flat.data + 1000, 0, 4000, streams[1]));
  ASSERT_OK(cudaStreamSynchronize(streams[0]));
  ASSERT_OK(cudaStreamSynchronize(streams[1]));
}

TEST(Order, TheHostsWaitsCount) {
  Stream first;
  Stream second;
  Event event;
  Array<float> values(100);
  ASSERT_OK(launch_indices(first, 100, Fill{values.data, 1}));
  ASSERT_OK(cudaStreamSynchronize(first));
  ASSERT_OK(launch_indices(second, 100, AddNumber{values.data, values.data, 1}));
  ASSERT_OK(cudaEventRecord(event, second));
  ASSERT_OK(cudaEventSynchronize(event));
  ASSERT_OK(launch_indices(first, 100, AddNumber{values.data, values.data, 1}));
  EXPECT_EQ(to_host(values.data, 100, first), std::vector<float>(100, 3));
}

TEST(Order, AnEventOrdersWhatWasRecordedNotWhatCameLater) {
  const auto run = [] {
    Stream first;
    Stream second;
    Event event;
    Array<float> values(1000);
    EXPECT_OK(cudaEventRecord(event, first));
    EXPECT_OK(launch_indices(first, 1000, Fill{values.data, 1}));
    EXPECT_OK(cudaStreamWaitEvent(second, event));
    EXPECT_OK(launch_indices(second, 1000, AddNumber{values.data, values.data, 1}));
    EXPECT_OK(cudaStreamSynchronize(second));
    EXPECT_OK(cudaStreamSynchronize(first));
  };
  EXPECT_DEATH(run(), "missing synchronisation");
}

TEST(Events, MeasureTime) {
  Stream stream;
  Event start(cudaEventDefault);
  Event end(cudaEventDefault);
  Event untimed;
  float milliseconds = -1;
  ASSERT_OK(cudaEventRecord(start, stream));
  ASSERT_OK(cudaEventRecord(untimed, stream));
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, end), cudaErrorInvalidResourceHandle);  // never recorded
  ASSERT_OK(cudaEventRecord(end, stream));
  ASSERT_OK(cudaEventSynchronize(end));
  ASSERT_OK(cudaEventElapsedTime(&milliseconds, start, end));
  EXPECT_GE(milliseconds, 0);
  EXPECT_EQ(cudaEventElapsedTime(&milliseconds, start, untimed), cudaErrorInvalidResourceHandle);
  static_cast<void>(cudaGetLastError());
}

TEST(Handles, AreNotUsedAfterTheirEnd) {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  ASSERT_OK(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, -5));
  ASSERT_OK(cudaEventCreate(&event));
  Array<float> values(1);
  ASSERT_OK(launch_indices(stream, 1, Fill{values.data, 1}));
  ASSERT_OK(cudaEventRecord(event, stream));
  ASSERT_OK(cudaStreamDestroy(stream));
  ASSERT_OK(cudaEventSynchronize(event));  // what was queued still runs
  ASSERT_OK(cudaEventDestroy(event));
  EXPECT_DEATH(cudaStreamDestroy(stream), "cudaStreamDestroy: stream [0-9]+ was destroyed");
  EXPECT_DEATH(cudaStreamSynchronize(stream), "was destroyed");
  EXPECT_DEATH(cudaEventDestroy(event), "cudaEventDestroy: an event that does not exist, or was destroyed");
  EXPECT_DEATH(cudaEventQuery(event), "an event that does not exist, or was destroyed");
  EXPECT_DEATH(cudaStreamCreateWithFlags(&stream, cudaStreamDefault), "waits for the default stream is not emulated");
}

TEST(HostFunctions, RunInTurnWithoutAnyCallOfTheHost) {
  Stream stream;
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false;
  } state;
  const auto tell = [](void* data) {
    auto& told = *static_cast<State*>(data);
    const std::lock_guard lock(told.mutex);
    told.done = true;
    told.changed.notify_all();
  };
  Array<float> values(1);
  ASSERT_OK(launch_indices(stream, 1, Fill{values.data, 1}));
  ASSERT_OK(cudaLaunchHostFunc(stream, tell, &state));
  std::unique_lock lock(state.mutex);
  EXPECT_TRUE(state.changed.wait_for(lock, std::chrono::seconds(60), [&] { return state.done; }));
}

TEST(HostFunctions, MayNotCallCuda) {
  Stream stream;
  const auto call = [](void*) { static_cast<void>(cudaGetLastError()), static_cast<void>(cudaSetDevice(0)); };
  EXPECT_DEATH(
      {
        static_cast<void>(cudaLaunchHostFunc(stream, call, nullptr));
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "cudaSetDevice: called from a kernel or a host function");
}

TEST(Operations, WaitUntilTheyAreReady) {
  Stream first;
  Stream second;
  std::atomic<bool> ready{false};
  bool ran = false;
  ASSERT_OK(enqueue(first, {"a collective", {}, [&] { ran = true; }, [&] { return ready.load(); }}));
  Array<float> values(1);
  ASSERT_OK(launch_indices(second, 1, Fill{values.data, 1}));
  EXPECT_EQ(to_host(values.data, 1, second)[0], 1);
  EXPECT_EQ(cudaStreamQuery(first), cudaErrorNotReady);
  std::thread peer([&] { ready = true; });
  ASSERT_OK(cudaStreamSynchronize(first));
  peer.join();
  EXPECT_TRUE(ran);
}

TEST(Threads, EachDrivesItsOwnStream) {
  std::vector<std::thread> threads;
  std::atomic<int> good{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Stream stream;
      Array<float> values(100);
      static_cast<void>(launch_indices(stream, 100, Fill{values.data, static_cast<float>(t)}));
      for (int i = 0; i < 100; ++i) {
        static_cast<void>(launch_indices(stream, 100, AddNumber{values.data, values.data, 1}));
        if (i % 10 == 0) static_cast<void>(cudaStreamSynchronize(stream));
      }
      good += to_host(values.data, 100, stream) == std::vector<float>(100, static_cast<float>(t + 100));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 4);
}

}  // namespace
}  // namespace bevgrad::emulation::testing
