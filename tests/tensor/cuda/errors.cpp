// What a user reads where a GPU or its driver is not what this build needs, or fails.
#ifdef BEVGRAD_CUDA_EMULATED
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>

#include "base/error.h"
#include "emulation/control.h"
#include "tensor/device.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Device kGpu{DeviceKind::CUDA, 0};

// What an error says that the runtime's next call of `function` gives.
std::string said_of(const char* function, int error, const std::function<void()>& work) {
  synchronize(kGpu);
  emulation::fail_call(function, static_cast<cudaError_t>(error));
  try {
    work();
  } catch (const Error& caught) {
    return caught.what();
  }
  return "nothing";
}

TEST(GpuErrors, SayWhatToDoInOneLine) {
  const Tensor x = ones({8}, {.device = kGpu});
  const auto launch = [&] { ops::add(x, x); };
  for (const int error : {209, 222})
    EXPECT_THAT(said_of("cudaLaunchKernelEx", error, launch),
                AllOf(HasSubstr("cudaLaunchKernelEx: "), HasSubstr("no code for this GPU"),
                      HasSubstr("-DCMAKE_CUDA_ARCHITECTURES=native"), Not(HasSubstr("\n"))));
  for (const int error : {214, 700, 719})
    EXPECT_THAT(said_of("cudaStreamSynchronize", error, [&] { ops::sum(x).item(); }),
                AllOf(HasSubstr("cudaStreamSynchronize: "), HasSubstr("is lost"), HasSubstr("--resume auto"),
                      Not(HasSubstr("\n"))));
  EXPECT_EQ(ops::sum(x).item(), 8);
}

[[noreturn]] void say_problem() {
  std::fprintf(stderr, "%s\n", cuda_problem().c_str());
  std::exit(0);
}

// Which devices there are is asked once a process.
TEST(GpuErrors, WhatIsMissing) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const char* before = std::getenv("BEVGRAD_EMULATED_DEVICES");
  const std::string kept = before ? before : "";
  for (const auto& [devices, text] :
       {std::pair{"nodriver", "no NVIDIA driver .CUDA error 35."}, std::pair{"0", "no NVIDIA GPU .CUDA error 100."},
        std::pair{"olddriver", "the NVIDIA driver is for CUDA 12.2, this build needs one for 13.0 or newer"}}) {
    ::setenv("BEVGRAD_EMULATED_DEVICES", devices, 1);
    EXPECT_EXIT(say_problem(), ::testing::ExitedWithCode(0), text);
  }
  before ? ::setenv("BEVGRAD_EMULATED_DEVICES", kept.c_str(), 1) : ::unsetenv("BEVGRAD_EMULATED_DEVICES");
}

}  // namespace
}  // namespace bevgrad
#endif
