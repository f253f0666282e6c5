// The stand-in of NCCL: it really reduces, and every use that would hang or spoil a result ends the process.
#include <gmock/gmock.h>
#include <nccl.h>

#include <cstdlib>
#include <functional>
#include <thread>

#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

void settle(ncclComm_t communicator) {
  ncclResult_t state = ncclInProgress;
  while (state == ncclInProgress) {
    ASSERT_EQ(ncclCommGetAsyncError(communicator, &state), ncclSuccess);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  ASSERT_EQ(state, ncclSuccess) << ncclGetLastError(communicator);
}

ncclComm_t join(const ncclUniqueId& id, int rank, int size) {
  EXPECT_OK(cudaSetDevice(rank));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t communicator = nullptr;
  EXPECT_EQ(ncclCommInitRankConfig(&communicator, size, id, rank, &config), ncclInProgress);
  return communicator;
}

void close(ncclComm_t communicator) {
  EXPECT_EQ(ncclCommFinalize(communicator), ncclInProgress);
  settle(communicator);
  EXPECT_EQ(ncclCommDestroy(communicator), ncclSuccess);
}

using Body = std::function<void(ncclComm_t, int rank, cudaStream_t)>;

/// A thread a rank, each with a device of its own.
void run_ranks(int size, const Body& body) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      const ncclComm_t communicator = join(id, rank, size);
      settle(communicator);
      Stream stream;
      body(communicator, rank, stream);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void fill(const Array<float>& array, float value, cudaStream_t stream) {
  EXPECT_OK(launch_indices(stream, static_cast<int64_t>(array.count), Fill{array.data, value}));
}

void all_reduce(const Array<float>& array, ncclComm_t communicator, cudaStream_t stream) {
  const ncclResult_t result =
      ncclAllReduce(array.data, array.data, array.count, ncclFloat32, ncclSum, communicator, stream);
  if (result == ncclInProgress) {
    settle(communicator);
  } else {
    EXPECT_EQ(result, ncclSuccess);
  }
}

TEST(Nccl, Collectives) {
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    reseed(seed);
    run_ranks(3, [](ncclComm_t communicator, int rank, cudaStream_t stream) {
      Array<float> values(5000), all(15000), part(5000);
      fill(values, static_cast<float>(rank + 1), stream);
      all_reduce(values, communicator, stream);
      EXPECT_EQ(to_host(values.data, 5000, stream), std::vector<float>(5000, 6));
      fill(values, static_cast<float>(rank), stream);
      ncclAllGather(values.data, all.data, 5000, ncclFloat32, communicator, stream);
      settle(communicator);
      ncclReduceScatter(all.data, part.data, 5000, ncclFloat32, ncclAvg, communicator, stream);
      settle(communicator);
      EXPECT_EQ(to_host(part.data, 5000, stream), std::vector<float>(5000, static_cast<float>(rank)));
      ncclBroadcast(values.data, values.data, 5000, ncclFloat32, 2, communicator, stream);
      settle(communicator);
      EXPECT_EQ(to_host(values.data, 5000, stream), std::vector<float>(5000, 2));
      EXPECT_EQ(ncclGroupStart(), ncclSuccess);
      EXPECT_EQ(ncclGroupStart(), ncclSuccess);
      ncclRecv(part.data, 20, ncclFloat32, (rank + 2) % 3, communicator, stream);
      EXPECT_EQ(ncclGroupEnd(), ncclSuccess);
      ncclSend(all.data + 5000 * rank, 20, ncclFloat32, (rank + 1) % 3, communicator, stream);
      ncclGroupEnd();
      settle(communicator);
      EXPECT_EQ(to_host(part.data, 20, stream), std::vector<float>(20, static_cast<float>((rank + 2) % 3)));
      fill(values, static_cast<float>(rank), stream);
      fill(part, 1, stream);
      ncclGroupStart();
      for (const Array<float>* array : {&values, &part})
        ncclAllReduce(array->data, array->data, 5000, ncclFloat32, ncclSum, communicator, stream);
      ncclGroupEnd();
      settle(communicator);
      EXPECT_EQ(to_host(values.data, 5000, stream), std::vector<float>(5000, 3));
      EXPECT_EQ(to_host(part.data, 5000, stream), std::vector<float>(5000, 3));
      close(communicator);
    });
  }
}

TEST(Nccl, ResultsAreLate) {
  // What reads the result on another stream without an event is caught, as for any operation.
  EXPECT_DEATH(run_ranks(2,
                         [](ncclComm_t communicator, int, cudaStream_t stream) {
                           Stream other;
                           Array<float> values(100);
                           fill(values, 1, stream);
                           all_reduce(values, communicator, stream);
                           to_host(values.data, 100, other);
                         }),
               "emulated device:");
}

/// One rank that is alone makes the mistake.
void alone(const Body& body) {
  run_ranks(1, body);
}

TEST(NcclMistakes, AreNamed) {
  EXPECT_DEATH(run_ranks(2,
                         [](ncclComm_t communicator, int rank, cudaStream_t stream) {
                           Array<float> values(rank == 0 ? 100 : 200);
                           fill(values, 1, stream);
                           all_reduce(values, communicator, stream);
                           to_host(values.data, 100, stream);
                         }),
               "rank . calls ncclAllReduce of .00 ncclFloat32, ncclSum, but rank . calls ncclAllReduce of .00");
  EXPECT_DEATH(alone([](ncclComm_t communicator, int, cudaStream_t stream) {
                 float host = 0;
                 ncclAllReduce(&host, &host, 1, ncclFloat32, ncclSum, communicator, stream);
               }),
               "ncclAllReduce: the input is no device memory");
  EXPECT_DEATH(alone([](ncclComm_t communicator, int, cudaStream_t stream) {
                 Array<float> values(10);
                 ncclAllReduce(values.data, values.data, 1000, ncclFloat32, ncclSum, communicator, stream);
               }),
               "the input has 40 bytes, 4000 are needed");
  EXPECT_DEATH(alone([](ncclComm_t communicator, int, cudaStream_t) {
                 EXPECT_OK(cudaSetDevice(1));
                 Stream other;
                 Array<float> values(10);
                 ncclAllReduce(values.data, values.data, 10, ncclFloat32, ncclSum, communicator, other);
               }),
               "the stream is of device 1, the communicator of device 0");
  EXPECT_DEATH(alone([](ncclComm_t communicator, int, cudaStream_t stream) {
                 Array<float> values(10);
                 ncclCommAbort(communicator);
                 ncclAllReduce(values.data, values.data, 10, ncclFloat32, ncclSum, communicator, stream);
               }),
               "ncclAllReduce: the communicator is used after ncclCommAbort");
  EXPECT_DEATH(alone([](ncclComm_t communicator, int, cudaStream_t) {
                 close(communicator);
                 close(communicator);
               }),
               "used after ncclCommDestroy");
  EXPECT_DEATH(alone([](ncclComm_t communicator, int, cudaStream_t) { ncclCommDestroy(communicator); }),
               "call ncclCommFinalize");
  EXPECT_DEATH(alone([](ncclComm_t communicator, int, cudaStream_t stream) {
                 Array<float> values(10);
                 fill(values, 1, stream);
                 for (int i = 0; i < 4; ++i)
                   ncclAllReduce(values.data, values.data, 10, ncclFloat32, ncclSum, communicator, stream);
               }),
               "the call before it is in progress");
  EXPECT_DEATH(
      {
        ncclUniqueId id;
        ncclGetUniqueId(&id);
        Stream stream;
        Array<float> values(10);
        const ncclComm_t communicator = join(id, 0, 1);
        ncclAllReduce(values.data, values.data, 10, ncclFloat32, ncclSum, communicator, stream);
      },
      "the communicator is still being made");
  EXPECT_DEATH(ncclGroupEnd(), "there was no ncclGroupStart");
  EXPECT_DEATH(
      {
        ncclUniqueId id;
        ncclGetUniqueId(&id);
        join(id, 0, 2);
        join(id, 0, 2);
      },
      "rank 0 joins for the second time");
}

TEST(Nccl, TwoRanksOnOneDeviceAreRefused) {
  ncclUniqueId id;
  ASSERT_EQ(ncclGetUniqueId(&id), ncclSuccess);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t communicators[2];
  ASSERT_OK(cudaSetDevice(0));
  for (int rank : {0, 1}) ASSERT_EQ(ncclCommInitRankConfig(&communicators[rank], 2, id, rank, &config), ncclInProgress);
  ncclResult_t state = ncclInProgress;
  while (state == ncclInProgress) ASSERT_EQ(ncclCommGetAsyncError(communicators[0], &state), ncclSuccess);
  EXPECT_EQ(state, ncclInvalidUsage);
  EXPECT_THAT(ncclGetLastError(communicators[0]), ::testing::HasSubstr("rank 0 and rank 1 both on CUDA device 0"));
  for (const ncclComm_t communicator : communicators) EXPECT_EQ(ncclCommAbort(communicator), ncclSuccess);
}

TEST(Nccl, ALostRankIsToldOrWaitedFor) {
  for (const char* behaviour : {"lost=error", ""}) {
    setenv("BEVGRAD_EMULATED_NCCL", behaviour, 1);
    run_ranks(2, [&](ncclComm_t communicator, int rank, cudaStream_t stream) {
      Array<float> values(100);
      fill(values, 1, stream);
      if (rank == 1) {
        EXPECT_OK(cudaStreamSynchronize(stream));
        ncclCommAbort(communicator);
        return;
      }
      all_reduce(values, communicator, stream);
      ncclResult_t state = ncclSuccess;
      for (int i = 0; i < 100 && state == ncclSuccess; ++i) {
        EXPECT_EQ(cudaStreamQuery(stream), cudaErrorNotReady);
        ncclCommGetAsyncError(communicator, &state);
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      }
      EXPECT_EQ(state, *behaviour ? ncclRemoteError : ncclSuccess);
      ncclCommAbort(communicator);
      EXPECT_OK(cudaStreamSynchronize(stream));
    });
  }
  unsetenv("BEVGRAD_EMULATED_NCCL");
}

}  // namespace
}  // namespace bevgrad::emulation::testing
