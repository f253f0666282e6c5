// Launches of kernels.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "runtime/fault.h"
#include "runtime/host_pages.h"
#include "runtime/machine.h"
#include "runtime/perform.h"
#include "runtime/scheduler.h"

namespace bevgrad::emulation {
namespace {

bool within_limits(const cudaLaunchConfig_t& config) {
  const dim3 grid = config.gridDim;
  const dim3 block = config.blockDim;
  const bool some = grid.x && grid.y && grid.z && block.x && block.y && block.z;
  return some && grid.x <= 0x7fffffff && grid.y <= 65535 && grid.z <= 65535 && block.x <= 1024 && block.y <= 1024 &&
         block.z <= 64 && uint64_t{block.x} * block.y * block.z <= 1024 && config.dynamicSmemBytes <= 48 * 1024;
}

// The pointers among the arguments: every aligned word that is an address of device or host memory. Pointers that lie
// in device memory (an array of pointers) are not seen.
std::vector<Access> pointers_of(const Kernel& kernel) {
  std::vector<Access> found;
  size_t total = 0;
  for (const Bytes& argument : kernel.arguments()) {
    total += argument.size;
    for (size_t offset = 0; offset + sizeof(uintptr_t) <= argument.size; offset += sizeof(uintptr_t)) {
      uintptr_t word = 0;
      std::memcpy(&word, static_cast<const unsigned char*>(argument.data) + offset, sizeof(word));
      auto* pointer = reinterpret_cast<void*>(word);
      if (machine().device_at(word) || machine().pinned_at(word)) {
        found.push_back({pointer, 0, Mode::unknown});
      } else if (is_host_memory(word)) {
        fault(
            "host pointer: byte {} of an argument of {} is {}, an address of host memory (or a member that was never "
            "set)",
            offset, readable(kernel.name()), pointer);
      }
    }
  }
  constexpr size_t kMostBytes = 4096;
  if (total > kMostBytes)
    fault("{} has {} bytes of arguments, more than {}", readable(kernel.name()), total, kMostBytes);
  return found;
}

// BEVGRAD_EMULATION_TRACE: the kernels of all launches, in the order of the calls.
std::FILE* trace_file() {
  const char* path = std::getenv("BEVGRAD_EMULATION_TRACE");
  return path ? std::fopen(path, "w") : nullptr;
}

Order draw_order(uint64_t blocks) {
  Random& random = machine().random;
  if (random.one_in(4)) return {};
  // A step that shares no divisor with the number of blocks visits all of them; the largest such is close to it.
  return {random.below(blocks), random.one_in(2) ? blocks - 1 : 1, random.one_in(2)};
}

// Many threads share the work of a large grid; ThreadSanitizer does not know how OpenMP's threads wait for each other.
#if defined(__SANITIZE_THREAD__)
constexpr uint64_t kWorthSharing = UINT64_MAX;
#else
constexpr uint64_t kWorthSharing = 1 << 15;
#endif

void run(const Kernel& kernel, dim3 grid, dim3 block, Order order) {
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  const uint64_t threads = blocks * block.x * block.y * block.z;
  if (threads < kWorthSharing) return kernel.run(grid, block, 0, blocks, order);
  constexpr uint64_t kParts = 16;
#pragma omp parallel for schedule(dynamic)
  for (uint64_t part = 0; part < kParts; ++part) {
    kernel.run(grid, block, blocks * part / kParts, blocks * (part + 1) / kParts, order);
  }
}

}  // namespace

cudaError_t function_attributes(cudaFuncAttributes* attributes) {
  Call call("cudaFuncGetAttributes");
  if (call.refused()) return call.result();
  *attributes = {90};
  return call.result(machine().is_old ? cudaErrorNoKernelImageForDevice : cudaSuccess);
}

cudaError_t launch(const cudaLaunchConfig_t& config, std::shared_ptr<const Kernel> kernel) {
  Call call("cudaLaunchKernelEx");
  if (call.refused()) return call.result();
  Stream& stream = stream_of(config.stream, call.function());
  if (stream.device != current_device()) {
    fault("wrong device: {} is launched on a stream of device {} while device {} is current", readable(kernel->name()),
          stream.device, current_device());
  }
  if (machine().is_old) return call.result(cudaErrorNoKernelImageForDevice);
  if (!within_limits(config)) return call.result(cudaErrorInvalidConfiguration);
  if (config.numAttrs != 0) fault("{}: launch attributes are not emulated", readable(kernel->name()));
  static std::FILE* const trace = trace_file();
  if (trace) std::fprintf(trace, "%s\n", readable(kernel->name()).c_str());
  Operation operation{kernel->name(), pointers_of(*kernel), {}, {}};
  const uint64_t blocks = uint64_t{config.gridDim.x} * config.gridDim.y * config.gridDim.z;
  operation.run = [kernel = std::move(kernel), grid = config.gridDim, block = config.blockDim,
                   order = draw_order(blocks)] { run(*kernel, grid, block, order); };
  submit(stream, make_task(std::move(operation), stream.device));
  return call.result();
}

}  // namespace bevgrad::emulation
