// Per-element operations, copies and reductions against the machine's copy bandwidth (bevgrad bench machine). Bytes are
// those that the operation must move at least.
#include <benchmark/benchmark.h>

#include "autograd/functions/pointwise.h"
#include "tensor/random.h"

namespace {

using namespace bevgrad;

// A bird's-eye-view feature of eight samples.
Tensor feature(DType dtype = DType::Float32, MemoryFormat format = MemoryFormat::ChannelsLast) {
  Generator generator(1);
  return ops::contiguous(ops::to(generator.uniform({8, 128, 56, 104}, 0.1, 2), dtype), format);
}

template <class F>
void measure(benchmark::State& state, size_t bytes, const F& f) {
  for (int i = 0; i < 3; ++i) f();
  for (auto _ : state) f();
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(bytes));
}

void unary(benchmark::State& state, Tensor (*function)(const Tensor&), DType dtype) {
  const Tensor x = feature(dtype);
  measure(state, 2 * x.nbytes(), [&] { benchmark::DoNotOptimize(function(x)); });
}
BENCHMARK_CAPTURE(unary, relu, ops::relu, DType::Float32);
BENCHMARK_CAPTURE(unary, relu_bf16, ops::relu, DType::BFloat16);
BENCHMARK_CAPTURE(unary, exp, ops::exp, DType::Float32);
BENCHMARK_CAPTURE(unary, log, ops::log, DType::Float32);
BENCHMARK_CAPTURE(unary, sigmoid, ops::sigmoid, DType::Float32);

void add_same(benchmark::State& state, DType dtype) {
  const Tensor x = feature(dtype), y = feature(dtype);
  measure(state, 3 * x.nbytes(), [&] { benchmark::DoNotOptimize(ops::add(x, y)); });
}
BENCHMARK_CAPTURE(add_same, f32, DType::Float32);
BENCHMARK_CAPTURE(add_same, bf16, DType::BFloat16);

void mul_broadcast(benchmark::State& state, const Shape& sizes) {
  const Tensor x = feature(), y = ones(sizes);
  measure(state, 2 * x.nbytes(), [&] { benchmark::DoNotOptimize(ops::mul(x, y)); });
}
BENCHMARK_CAPTURE(mul_broadcast, channel, {128, 1, 1});
BENCHMARK_CAPTURE(mul_broadcast, map, {8, 1, 56, 104});

void copy(benchmark::State& state, MemoryFormat from, MemoryFormat to) {
  const Tensor x = feature(DType::Float32, from), y = feature(DType::Float32, to);
  measure(state, 2 * x.nbytes(), [&] { ops::copy_(y, x); });
}
BENCHMARK_CAPTURE(copy, same, MemoryFormat::ChannelsLast, MemoryFormat::ChannelsLast);
BENCHMARK_CAPTURE(copy, nchw_to_nhwc, MemoryFormat::Contiguous, MemoryFormat::ChannelsLast);
BENCHMARK_CAPTURE(copy, nhwc_to_nchw, MemoryFormat::ChannelsLast, MemoryFormat::Contiguous);

void convert(benchmark::State& state, DType from, DType to) {
  const Tensor x = feature(from);
  measure(state, static_cast<size_t>(x.numel()) * (item_size(from) + item_size(to)),
          [&] { benchmark::DoNotOptimize(ops::to(x, to)); });
}
BENCHMARK_CAPTURE(convert, f32_to_bf16, DType::Float32, DType::BFloat16);
BENCHMARK_CAPTURE(convert, bf16_to_f32, DType::BFloat16, DType::Float32);

void cat_channels(benchmark::State& state) {
  const Tensor x = feature(), y = feature();
  measure(state, 4 * x.nbytes(), [&] { benchmark::DoNotOptimize(ops::cat({x, y}, 1)); });
}
BENCHMARK(cat_channels);

void sum_over(benchmark::State& state, const std::vector<int>& dims) {
  const Tensor x = feature();
  measure(state, x.nbytes(), [&] { benchmark::DoNotOptimize(ops::sum(x, dims)); });
}
BENCHMARK_CAPTURE(sum_over, all, {0, 1, 2, 3});
BENCHMARK_CAPTURE(sum_over, all_but_channels, {0, 2, 3});
BENCHMARK_CAPTURE(sum_over, channels, {1});

// What one call costs beyond its elements.
void recorded_add(benchmark::State& state) {
  const Tensor x = ones({4});
  set_requires_grad(x, true);
  for (auto _ : state) benchmark::DoNotOptimize(add(x, x));
}
BENCHMARK(recorded_add);

}  // namespace
