// What is bound by memory: normalisation, pooling, resizing. Bytes are those that the operation must move at least.
#include <benchmark/benchmark.h>

#include "autograd/functions/interpolate.h"
#include "autograd/functions/pool.h"
#include "nn/batch_norm.h"
#include "nn/init.h"

namespace {

using namespace bevgrad;

Tensor activation(const Shape& sizes, DType dtype) {
  Generator generator(1);
  const Tensor x = generator.uniform(sizes, -1, 1, {DType::Float32, MemoryFormat::ChannelsLast});
  return ops::contiguous(ops::to(x, dtype), MemoryFormat::ChannelsLast);
}

DType dtype_argument(const benchmark::State& state) {
  return state.range(0) ? DType::BFloat16 : DType::Float32;
}

// The first calls fault memory in and build primitives.
template <class F>
void warm_up(const F& f) {
  for (int i = 0; i < 3; ++i) f();
}

void bytes(benchmark::State& state, size_t moved) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(moved));
}

void batch_norm_training(benchmark::State& state) {
  BatchNorm2d bn(64);
  const Tensor x = activation({4, 64, 128, 240}, dtype_argument(state));
  NoGradGuard no_grad;
  auto run = [&] { benchmark::DoNotOptimize(bn.forward(x, {.relu = true})); };
  warm_up(run);
  for (auto _ : state) run();
  bytes(state, 3 * x.nbytes());
}

void batch_norm_backward(benchmark::State& state) {
  BatchNorm2d bn(64);
  const Tensor x = activation({4, 64, 128, 240}, dtype_argument(state));
  set_requires_grad(x, true);
  for (auto _ : state) {
    state.PauseTiming();
    const Tensor y = bn.forward(x, {.relu = true});
    set_grad(x, {});
    state.ResumeTiming();
    backward(y, detach(x));
  }
  bytes(state, 7 * x.nbytes());
}

void max_pool(benchmark::State& state) {
  const Tensor x = activation({1, 64, 256, 480}, dtype_argument(state));
  auto run = [&] { benchmark::DoNotOptimize(max_pool2d(x, {3, 2, 1})); };
  warm_up(run);
  for (auto _ : state) run();
  bytes(state, x.nbytes() + x.nbytes() / 4);
}

void bilinear(benchmark::State& state) {
  const Tensor x = activation({2, 64, 112, 208}, dtype_argument(state));
  auto run = [&] { benchmark::DoNotOptimize(interpolate_bilinear(x, 224, 416)); };
  warm_up(run);
  for (auto _ : state) run();
  bytes(state, x.nbytes() * 5);
}

void bilinear_backward(benchmark::State& state) {
  const Tensor x = activation({2, 64, 112, 208}, dtype_argument(state));
  set_requires_grad(x, true);
  const Tensor dy = activation({2, 64, 224, 416}, dtype_argument(state));
  for (auto _ : state) {
    state.PauseTiming();
    const Tensor y = interpolate_bilinear(x, 224, 416);
    set_grad(x, {});
    state.ResumeTiming();
    backward(y, dy);
  }
  bytes(state, x.nbytes() * 5);
}

void pyramid_add(benchmark::State& state) {
  const Tensor x = activation({1, 128, 32, 60}, dtype_argument(state));
  const Tensor y = activation({1, 128, 64, 120}, dtype_argument(state));
  auto run = [&] { benchmark::DoNotOptimize(upsample_add(x, y)); };
  warm_up(run);
  for (auto _ : state) run();
  bytes(state, x.nbytes() * 9);
}

BENCHMARK(batch_norm_training)->Arg(0)->Arg(1);
BENCHMARK(batch_norm_backward)->Arg(0)->Arg(1);
BENCHMARK(max_pool)->Arg(0)->Arg(1);
BENCHMARK(bilinear)->Arg(0)->Arg(1);
BENCHMARK(bilinear_backward)->Arg(0)->Arg(1);
BENCHMARK(pyramid_add)->Arg(0)->Arg(1);

}  // namespace
