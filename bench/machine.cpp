// The machine's limits, for the other figures to be read against: fused multiply-adds, bfloat16 dot products, memory.
#include <benchmark/benchmark.h>
#include <omp.h>

#include <bit>
#include <vector>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

constexpr int kRegisters = 12;
constexpr int64_t kSteps = 1 << 20;

template <class Step>
void run_flops(benchmark::State& state, double flops_per_step, const Step& step) {
  for (auto _ : state) {
#pragma omp parallel
    step();
  }
  const double work = flops_per_step * kRegisters * static_cast<double>(kSteps) * omp_get_max_threads();
  state.counters["GFLOP/s"] =
      benchmark::Counter(work * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

void machine_float32(benchmark::State& state) {
  using Vector = float __attribute__((vector_size(64)));
  run_flops(state, 32, [] {
    Vector sums[kRegisters] = {};
    Vector a, b;
    for (int i = 0; i < 16; ++i) a[i] = 0.999f, b[i] = 1e-3f;
    for (int64_t i = 0; i < kSteps; ++i)
      for (Vector& sum : sums) sum = sum * a + b;
    for (Vector& sum : sums) benchmark::DoNotOptimize(sum);
  });
}

#ifdef __AVX512BF16__
void machine_bfloat16(benchmark::State& state) {
  run_flops(state, 64, [] {
    __m512 sums[kRegisters] = {};
    const auto a = std::bit_cast<__m512bh>(_mm512_set1_epi32(0x3f803f80));
    for (int64_t i = 0; i < kSteps; ++i)
      for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, a, a);
    for (__m512& sum : sums) benchmark::DoNotOptimize(sum);
  });
}
BENCHMARK(machine_bfloat16);
#endif

void machine_memory(benchmark::State& state) {
  constexpr int64_t kCount = int64_t{1} << 25;
  std::vector<float> from(kCount, 1.0f), to(kCount);
  for (auto _ : state) {
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < kCount; ++i) to[i] = from[i] * 0.5f;
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * 2 * kCount * static_cast<int64_t>(sizeof(float)));
}

BENCHMARK(machine_float32);
BENCHMARK(machine_memory);

}  // namespace
