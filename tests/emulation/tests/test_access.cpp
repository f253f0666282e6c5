// Who may touch device memory, and with which pointers.
#include <array>

#include "support.h"

namespace bevgrad::emulation::testing {
namespace {

TEST(HostAccess, ReadOfDeviceMemoryIsRefused) {
  Stream stream;
  const Array<float> values(100);
  ASSERT_OK(launch_indices(stream, 100, Fill{values.data, 1}));
  ASSERT_OK(cudaStreamSynchronize(stream));
  const volatile float* element = values.data + 3;
  EXPECT_DEATH(static_cast<void>(*element),
               "host access to device memory: byte 12 of an allocation of 400 bytes on device 0");
}

TEST(HostAccess, WriteToDeviceMemoryIsRefused) {
  const Array<float> values(100);
  volatile float* element = values.data + 3;
  EXPECT_DEATH(*element = 1, "host access to device memory: byte 12 of an allocation of 400 bytes on device 0");
}

TEST(HostAccess, FreedMemoryIsCalledSo) {
  float* data = nullptr;
  ASSERT_OK(cudaMalloc(reinterpret_cast<void**>(&data), 400));
  ASSERT_OK(cudaFree(data));
  const volatile float* element = data;
  EXPECT_DEATH(static_cast<void>(*element), "host access to device memory: byte 0 of a freed allocation of 400 bytes");
}

TEST(HostAccess, HostFunctionsAreTheHost) {
  Stream stream;
  Array<float> values(1);
  const auto touch = [](void* data) { *static_cast<volatile float*>(data) = 1; };
  EXPECT_DEATH(
      {
        static_cast<void>(cudaLaunchHostFunc(stream, touch, values.data));
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "host access to device memory: byte 0 of an allocation of 4 bytes");
}

TEST(HostAccess, OtherBadAddressesEndTheProcessAsEver) {
  const Array<float> values(1);  // the device watches accesses
  volatile uintptr_t address = 16;
  EXPECT_DEATH(*reinterpret_cast<volatile int*>(address) = 1, "");
}

TEST(KernelArguments, HostPointersAreRefused) {
  Stream stream;
  Array<float> values(100);
  std::vector<float> on_heap(100);
  std::array<float, 100> on_stack{};
  static std::array<float, 100> in_program{};
  const char* message = "host pointer: byte 8 of an argument of kernel\\(long, .*AddNumber.*an address of host memory";
  EXPECT_DEATH(launch_indices(stream, 100, AddNumber{values.data, on_heap.data(), 1}), message);
  EXPECT_DEATH(launch_indices(stream, 100, AddNumber{values.data, on_stack.data(), 1}), message);
  EXPECT_DEATH(launch_indices(stream, 100, AddNumber{values.data, in_program.data(), 1}), message);
}

struct Numbers {
  float* to;
  char flag;  // padding follows
  int64_t large;
  double real;
  std::array<int, 4> small;
  std::array<float, 3> floats;
  void operator()(int64_t i) const { to[i] = static_cast<float>(large % 7) + static_cast<float>(real) + floats[0]; }
};

TEST(KernelArguments, NumbersAreNotTakenForPointers) {
  Stream stream;
  Array<float> values(1);
  for (const int64_t large : {int64_t{0}, int64_t{1} << 31, int64_t{1} << 40, int64_t{-1}, INT64_MIN, INT64_MAX}) {
    for (const double real : {0.0, -1.5, 1e300, 1e-300}) {
      ASSERT_OK(launch_indices(stream, 1, Numbers{values.data, 'x', large, real, {1, 224, -1, 32767}, {1, 2, 3}}));
    }
  }
  ASSERT_OK(cudaStreamSynchronize(stream));
}

struct Optional {
  float* to;
  const float* bias;
  void operator()(int64_t i) const { to[i] += bias ? bias[i] : 0; }
};

TEST(KernelArguments, NullAndPageLockedMemoryAreFine) {
  Stream stream;
  Pinned<float> source(4);
  for (int i = 0; i < 4; ++i) source.data[i] = static_cast<float>(i);
  Array<float> values(4);
  ASSERT_OK(launch_indices(stream, 4, AddNumber{values.data, source.data, 1}));
  ASSERT_OK(launch_indices(stream, 4, Optional{values.data, nullptr}));
  EXPECT_EQ(to_host(values.data, 4, stream), (std::vector<float>{1, 2, 3, 4}));
}

TEST(KernelArguments, MemoryOfAnotherDeviceIsRefused) {
  EXPECT_DEATH(
      {
        setenv("BEVGRAD_EMULATED_DEVICES", "2", 1);
        float* elsewhere = nullptr;
        static_cast<void>(cudaSetDevice(1));
        static_cast<void>(cudaMalloc(reinterpret_cast<void**>(&elsewhere), 400));
        static_cast<void>(cudaSetDevice(0));
        Stream stream;
        static_cast<void>(launch_indices(stream, 100, Fill{elsewhere, 1}));
      },
      "wrong device: kernel\\(.*\\) runs on device 0 and gets an allocation of 400 bytes on device 1");
}

TEST(KernelArguments, AWriteBehindTheEndIsSeen) {
  Stream stream;
  Array<float> values(100);
  EXPECT_DEATH(
      {
        static_cast<void>(launch_indices(stream, 101, Fill{values.data, 1}));
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "write past the end: kernel\\(.*Fill.*\\) wrote behind an allocation of 400 bytes on device 0");
}

TEST(KernelArguments, AnAccessOutsideOfTheDeviceIsNamed) {
  Stream stream;
  Array<float> values(100);
  EXPECT_DEATH(
      {
        static_cast<void>(launch_indices(stream, 1, Fill{values.data + (int64_t{1} << 50), 1}));
        static_cast<void>(cudaStreamSynchronize(stream));
      },
      "access outside of device memory: kernel");
}

}  // namespace
}  // namespace bevgrad::emulation::testing
