#include "tensor/build_info.h"

#include <fmt/core.h>
#include <omp.h>

#include <dnnl.hpp>
#include <thread>

#include "cpu/winograd.h"
#include "tensor/determinism.h"
#include "tensor/device.h"

#ifdef BEVGRAD_CUDA
#include <cublasLt.h>
#include <cudnn.h>

#include "tensor/cuda_stream.h"
#endif

namespace bevgrad {
namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string instructions(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::avx512_core:
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 with bfloat16";
    case dnnl::cpu_isa::avx512_core_amx:
      return "AMX";
    case dnnl::cpu_isa::avx2:
    case dnnl::cpu_isa::avx2_vnni:
      return "AVX2";
    default:
      return "an older processor than AVX2";
  }
}

std::string onednn() {
  const dnnl_version_t* version = dnnl_version();
  return fmt::format("{}.{}.{}, kernels for {}", version->major, version->minor, version->patch,
                     instructions(dnnl::get_effective_cpu_isa()));
}

Lines cpu_lines() {
  return {{"processor",
           fmt::format("{} cores, {} threads for OpenMP", std::thread::hardware_concurrency(), omp_get_max_threads())},
          {"oneDNN", onednn()}};
}

#ifdef BEVGRAD_CUDA

std::string cuda_version(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

// cuDNN 9 and cuBLASLt count alike: 91900 is 9.19.0, 130101 is 13.1.1.
std::string library_version(size_t version) {
  return fmt::format("{}.{}.{}", version / 10000, version % 10000 / 100, version % 100);
}

std::string describe_device(int index) {
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return fmt::format("{}, compute capability {}.{}, {:.1f} GiB, {} multiprocessors", properties.name, properties.major,
                     properties.minor, static_cast<double>(properties.totalGlobalMem) / (1 << 30),
                     properties.multiProcessorCount);
}

std::string cuda_arithmetic(int index) {
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  return fmt::format("cuDNN {}, cuBLASLt {}, compute capability {}.{}, float32 {}", library_version(cudnnGetVersion()),
                     library_version(cublasLtGetVersion()), properties.major, properties.minor,
                     allow_tf32() ? "in TF32" : "as it is");
}

void add_cuda_lines(Lines& lines) {
  int runtime = 0, driver = 0;
  cuda::check(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  lines.emplace_back("CUDA runtime", cuda_version(runtime));
  lines.emplace_back("cuDNN", library_version(cudnnGetVersion()));
  lines.emplace_back("cuBLASLt", library_version(cublasLtGetVersion()));
  if (cudaDriverGetVersion(&driver) == cudaSuccess && driver > 0)
    lines.emplace_back("NVIDIA driver", fmt::format("for CUDA {}", cuda_version(driver)));
  lines.emplace_back("float32 on GPUs", "in TF32 unless a config has train.allow_tf32 false");
  for (int i = 0; i < cuda_device_count(); ++i) lines.emplace_back(fmt::format("cuda:{}", i), describe_device(i));
}

#else

std::string cuda_arithmetic(int) {
  return "";
}

void add_cuda_lines(Lines&) {}

#endif

}  // namespace

std::string arithmetic(Device device) {
  if (!device.is_cpu()) return cuda_arithmetic(device.index);
  return fmt::format("oneDNN {}, {}", onednn(),
                     cpu::winograd_is_on() ? "Winograd's convolution" : "direct convolution only");
}

Lines build_info() {
  Lines lines = cpu_lines();
  add_cuda_lines(lines);
  if (!cuda_problem().empty()) lines.emplace_back("CUDA devices", "none: " + cuda_problem());
  return lines;
}

}  // namespace bevgrad
