// Devices, versions, errors.
#include <cstdlib>
#include <cstring>

#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

TEST(Devices, AreDescribed) {
  int count = 0;
  ASSERT_OK(cudaGetDeviceCount(&count));
  EXPECT_EQ(count, 4);  // main.cpp asks for them
  int device = -1;
  ASSERT_OK(cudaSetDevice(3));
  ASSERT_OK(cudaGetDevice(&device));
  EXPECT_EQ(device, 3);
  ASSERT_OK(cudaSetDevice(0));
  EXPECT_EQ(cudaSetDevice(4), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaSetDevice(-1), cudaErrorInvalidDevice);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidDevice);
  cudaDeviceProp properties{};
  ASSERT_OK(cudaGetDeviceProperties(&properties, 0));
  EXPECT_STREQ(properties.name, "emulated device");
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 4), cudaErrorInvalidDevice);
  int version = 0;
  ASSERT_OK(cudaRuntimeGetVersion(&version));
  EXPECT_EQ(version, 13000);
  ASSERT_OK(cudaDriverGetVersion(&version));
  EXPECT_EQ(version, 13000);
  static_cast<void>(cudaGetLastError());
}

void report_without_device(const char* devices, cudaError_t expected, int expected_driver) {
  setenv("BEVGRAD_EMULATED_DEVICES", devices, 1);
  int count = -1;
  int driver = -1;
  void* data = nullptr;
  cudaStream_t stream = nullptr;
  const bool good = cudaGetDeviceCount(&count) == expected && count == 0 && cudaGetLastError() == expected &&
                    cudaDriverGetVersion(&driver) == cudaSuccess && driver == expected_driver &&
                    cudaMalloc(&data, 64) == expected && cudaSetDevice(0) == expected &&
                    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) == expected;
  exit(good ? 0 : 1);
}

TEST(Devices, MayBeAbsent) {
  EXPECT_EXIT(report_without_device("0", cudaErrorNoDevice, 13000), ::testing::ExitedWithCode(0), "");
  EXPECT_EXIT(report_without_device("nodriver", cudaErrorInsufficientDriver, 0), ::testing::ExitedWithCode(0), "");
}

TEST(Devices, TwoAreApart) {
  EXPECT_EXIT(
      {
        setenv("BEVGRAD_EMULATED_DEVICES", "2", 1);
        int count = 0;
        EXPECT_OK(cudaGetDeviceCount(&count));
        EXPECT_EQ(count, 2);
        const Stream here;
        const Array<float> source(100);
        EXPECT_OK(launch_indices(here, 100, Fill{source.data, 1}));
        EXPECT_OK(cudaSetDevice(1));
        const Stream there;
        const Array<float> target(100);
        Event event;  // of device 1
        EXPECT_OK(cudaSetDevice(0));
        Event done;
        EXPECT_OK(cudaEventRecord(done, here));
        EXPECT_OK(cudaStreamWaitEvent(there, done));
        EXPECT_OK(cudaMemcpyAsync(target.data, source.data, 400, cudaMemcpyDefault, there));
        EXPECT_EQ(to_host(target.data, 100, there), std::vector<float>(100, 1));
        exit(::testing::Test::HasFailure() ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

void use_two_devices(bool record) {
  setenv("BEVGRAD_EMULATED_DEVICES", "2", 1);
  static_cast<void>(cudaSetDevice(1));
  const Stream there;
  static_cast<void>(cudaSetDevice(0));
  const Event event;
  const Array<float> values(1);
  if (record) {
    static_cast<void>(cudaEventRecord(event, there));
  } else {
    static_cast<void>(launch_indices(there, 1, Fill{values.data, 1}));
  }
}

TEST(Devices, StreamsAndEventsBelongToOne) {
  EXPECT_DEATH(use_two_devices(true), "wrong device: cudaEventRecord: an event of device 0 on a stream of device 1");
  EXPECT_DEATH(use_two_devices(false),
               "wrong device: kernel.* is launched on a stream of device 1 while device 0 is current");
}

TEST(Errors, HaveNamesAndTexts) {
  EXPECT_STREQ(cudaGetErrorName(cudaErrorInsufficientDriver), "cudaErrorInsufficientDriver");
  EXPECT_STREQ(cudaGetErrorString(cudaErrorMemoryAllocation), "out of memory");
  EXPECT_STREQ(cudaGetErrorString(static_cast<cudaError_t>(12345)), "unrecognized error code");
}

TEST(Errors, CanBeOrdered) {
  Stream stream;
  fail_call("cudaMemsetAsync", cudaErrorLaunchFailure, 1);
  Array<float> values(1);
  EXPECT_OK(cudaMemsetAsync(values.data, 0, 4, stream));
  EXPECT_EQ(cudaMemsetAsync(values.data, 0, 4, stream), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaPeekAtLastError(), cudaErrorLaunchFailure);
  EXPECT_EQ(cudaGetLastError(), cudaErrorLaunchFailure);
  EXPECT_OK(cudaGetLastError());
  EXPECT_OK(cudaMemsetAsync(values.data, 0, 4, stream));
}

}  // namespace
}  // namespace bevgrad::emulation::testing
