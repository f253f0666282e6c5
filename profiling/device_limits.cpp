#include "profiling/device_limits.h"

#include <algorithm>
#include <chrono>

#include "tensor/ops.h"

namespace bevgrad {
namespace {

/// Seconds of the fastest run of `work`, which queues on the device.
template <class Work>
double fastest(Device device, int repeats, const Work& work) {
  double best = 1e30;
  for (int i = 0; i <= repeats; ++i) {
    synchronize(device);
    const auto begin = std::chrono::steady_clock::now();
    work();
    synchronize(device);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

constexpr double kLongEnough = 0.01;  // seconds: what is queued for less is bound by the host

/// Products of growing square matrices until one takes long enough.
double matmul_flops(Device device, DType dtype, int repeats) {
  for (int64_t n = 512;; n *= 2) {
    const Tensor a = full({n, n}, 0.5, {dtype, {}, device});
    const double seconds = fastest(device, repeats, [&] { ops::matmul(a, a); });
    if (seconds > kLongEnough || n == 16384) return 2.0 * static_cast<double>(n) * n * n / seconds;
  }
}

double copy_bandwidth(Device device, int repeats) {
  for (int64_t count = int64_t{1} << 20;; count *= 4) {
    const Tensor from = zeros({count}, {DType::Float32, {}, device}), to = empty_like(from);
    const double seconds = fastest(device, repeats, [&] { ops::copy_(to, from); });
    if (seconds > kLongEnough || count >= int64_t{1} << 30) return 2.0 * static_cast<double>(from.nbytes()) / seconds;
  }
}

}  // namespace

MachineLimits measure_device(Device device, int repeats) {
  return {.threads = 1,
          .float32 = matmul_flops(device, DType::Float32, repeats),
          .bfloat16 = matmul_flops(device, DType::BFloat16, repeats),
          .memory = copy_bandwidth(device, repeats)};
}

}  // namespace bevgrad
