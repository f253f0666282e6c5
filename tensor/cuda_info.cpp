#include "tensor/cuda_info.h"

#include "tensor/device.h"

#ifdef BEVGRAD_CUDA
#include <cublasLt.h>
#include <cudnn.h>
#include <fmt/core.h>

#include "tensor/cuda_stream.h"
#endif

namespace bevgrad {

#ifdef BEVGRAD_CUDA

namespace {

std::string thousands(int64_t version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

std::string describe_device(int index) {
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return fmt::format("{}, compute capability {}.{}, {:.1f} GiB, {} multiprocessors", properties.name, properties.major,
                     properties.minor, static_cast<double>(properties.totalGlobalMem) / (1 << 30),
                     properties.multiProcessorCount);
}

}  // namespace

std::vector<std::pair<std::string, std::string>> cuda_info() {
  int runtime = 0, driver = 0;
  cuda::check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  const auto cudnn = static_cast<int64_t>(cudnnGetVersion());
  const auto cublas = static_cast<int64_t>(cublasLtGetVersion());
  std::vector<std::pair<std::string, std::string>> lines = {
      {"CUDA runtime", thousands(runtime)},
      {"cuDNN", fmt::format("{}.{}.{}", cudnn / 10000, cudnn % 10000 / 100, cudnn % 100)},
      {"cuBLASLt", fmt::format("{}.{}.{}", cublas / 10000, cublas % 10000 / 100, cublas % 100)}};
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
    lines.emplace_back("driver for CUDA", thousands(driver));
  if (!cuda_problem().empty()) lines.emplace_back("CUDA devices", cuda_problem());
  for (int i = 0; i < cuda_device_count(); ++i) lines.emplace_back(fmt::format("cuda:{}", i), describe_device(i));
  return lines;
}

#else

std::vector<std::pair<std::string, std::string>> cuda_info() {
  return {{"CUDA devices", cuda_problem()}};
}

#endif

}  // namespace bevgrad
