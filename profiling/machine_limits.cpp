#include "profiling/machine_limits.h"

#include <immintrin.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <vector>

namespace bevgrad {
namespace {

constexpr int64_t kSteps = int64_t{1} << 22;

// Sixteen sums stay in registers: enough independent ones to hide the latency of a multiply-add on two ports, and
// named, because an array of them would be kept in memory.
#define BEVGRAD_SIXTEEN(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11) F(12) F(13) F(14) F(15)
#define BEVGRAD_TWELVE(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)

__attribute__((target("avx512f"))) float multiply_adds_512(int64_t steps) {
  const __m512 a = _mm512_set1_ps(0.999f), b = _mm512_set1_ps(1e-3f);
#define BEVGRAD_BEGIN(i) __m512 s##i = _mm512_set1_ps(i);
  BEVGRAD_SIXTEEN(BEVGRAD_BEGIN)
#undef BEVGRAD_BEGIN
  for (int64_t step = 0; step < steps; ++step) {
#define BEVGRAD_STEP(i) s##i = _mm512_fmadd_ps(s##i, a, b);
    BEVGRAD_SIXTEEN(BEVGRAD_STEP)
#undef BEVGRAD_STEP
  }
  __m512 sum = _mm512_setzero_ps();
#define BEVGRAD_END(i) sum = _mm512_add_ps(sum, s##i);
  BEVGRAD_SIXTEEN(BEVGRAD_END)
#undef BEVGRAD_END
  float values[16];
  _mm512_storeu_ps(values, sum);
  return values[0] + values[15];
}

__attribute__((target("avx512f,avx512bf16"))) float dot_products_512(int64_t steps) {
  const __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f803f80);
#define BEVGRAD_BEGIN(i) __m512 s##i = _mm512_set1_ps(i);
  BEVGRAD_SIXTEEN(BEVGRAD_BEGIN)
#undef BEVGRAD_BEGIN
  for (int64_t step = 0; step < steps; ++step) {
#define BEVGRAD_STEP(i) s##i = _mm512_dpbf16_ps(s##i, a, a);
    BEVGRAD_SIXTEEN(BEVGRAD_STEP)
#undef BEVGRAD_STEP
  }
  __m512 sum = _mm512_setzero_ps();
#define BEVGRAD_END(i) sum = _mm512_add_ps(sum, s##i);
  BEVGRAD_SIXTEEN(BEVGRAD_END)
#undef BEVGRAD_END
  float values[16];
  _mm512_storeu_ps(values, sum);
  return values[0] + values[15];
}

__attribute__((target("avx2,fma"))) float multiply_adds_256(int64_t steps) {
  const __m256 a = _mm256_set1_ps(0.999f), b = _mm256_set1_ps(1e-3f);
#define BEVGRAD_BEGIN(i) __m256 s##i = _mm256_set1_ps(i);
  BEVGRAD_TWELVE(BEVGRAD_BEGIN)
#undef BEVGRAD_BEGIN
  for (int64_t step = 0; step < steps; ++step) {
#define BEVGRAD_STEP(i) s##i = _mm256_fmadd_ps(s##i, a, b);
    BEVGRAD_TWELVE(BEVGRAD_STEP)
#undef BEVGRAD_STEP
  }
  __m256 sum = _mm256_setzero_ps();
#define BEVGRAD_END(i) sum = _mm256_add_ps(sum, s##i);
  BEVGRAD_TWELVE(BEVGRAD_END)
#undef BEVGRAD_END
  float values[8];
  _mm256_storeu_ps(values, sum);
  return values[0] + values[7];
}

volatile float sink;

/// Seconds of the fastest run on all threads.
template <class Work>
double fastest_on_all_threads(int repeats, const Work& work) {
  double best = 1e30;
  for (int i = 0; i <= repeats; ++i) {
    const auto begin = std::chrono::steady_clock::now();
#pragma omp parallel
    work();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

double flops(int repeats, double per_step, float (*kernel)(int64_t)) {
  const double seconds = fastest_on_all_threads(repeats, [kernel] { sink = kernel(kSteps); });
  return per_step * static_cast<double>(kSteps) * omp_get_max_threads() / seconds;
}

double memory_bandwidth(int repeats) {
  constexpr int64_t count = int64_t{1} << 25;
  std::vector<float> from(count, 1.0f), to(count);
  const double seconds = fastest_on_all_threads(repeats, [&] {
#pragma omp for schedule(static)
    for (int64_t i = 0; i < count; ++i) to[static_cast<size_t>(i)] = from[static_cast<size_t>(i)] * 0.5f;
  });
  sink = to[count / 2];
  return 2 * static_cast<double>(count) * sizeof(float) / seconds;
}

}  // namespace

MachineLimits measure_machine(int repeats) {
  MachineLimits limits;
  limits.threads = omp_get_max_threads();
  if (__builtin_cpu_supports("avx512f")) {
    limits.float32 = flops(repeats, 2.0 * 16 * 16, multiply_adds_512);
  } else if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    limits.float32 = flops(repeats, 2.0 * 8 * 12, multiply_adds_256);
  }
  if (__builtin_cpu_supports("avx512bf16")) limits.bfloat16 = flops(repeats, 4.0 * 16 * 16, dot_products_512);
  limits.memory = memory_bandwidth(repeats);
  return limits;
}

}  // namespace bevgrad
