// The network's indexed operations at the full-size configuration's sizes, and its losses.
#include <benchmark/benchmark.h>

#include "autograd/functions/softmax.h"
#include "bev/bev.h"
#include "bev/bev_sampling.h"
#include "bev/segment_max.h"
#include "bev/warp.h"
#include "nn/losses.h"
#include "tensor/random.h"

namespace {

using namespace bevgrad;

// Seven cameras in four groups; a point is seen by none, one or two of them.
std::shared_ptr<const BevSampling> rig() {
  BevSamplingTable table{4, 56, 104, {{1, 64, 120}, {1, 32, 60}, {1, 64, 120}, {4, 32, 60}}, {0}, {}};
  Generator generator(1);
  for (int point = 0; point < 4 * 56 * 104; ++point) {
    for (int look = 0; look < point % 3; ++look) {
      const int32_t group = (point / 7 + look) % 4;
      const BevSamplingGroup& g = table.groups[static_cast<size_t>(group)];
      table.looks.push_back(
          {group, static_cast<int32_t>(point % g.cameras),
           static_cast<float>(generator.next_uniform() * 0.05 + point % 104 / 104.0) * static_cast<float>(g.width),
           static_cast<float>(point / 104 % 56 / 56.0) * static_cast<float>(g.height)});
    }
    table.offsets.push_back(static_cast<int64_t>(table.looks.size()));
  }
  return std::make_shared<BevSampling>(table);
}

std::vector<Tensor> rig_features(const BevSampling& sampling, DType dtype) {
  std::vector<Tensor> features;
  for (const BevSamplingGroup& g : sampling.groups()) {
    features.push_back(
        ops::to(ones({g.cameras, 128, g.height, g.width}, {DType::Float32, MemoryFormat::ChannelsLast}), dtype));
    set_requires_grad(features.back(), true);
  }
  return features;
}

void bev_sample_forward(benchmark::State& state, DType dtype) {
  const auto sampling = rig();
  const auto features = rig_features(*sampling, dtype);
  NoGradGuard no_grad;
  for (auto _ : state) benchmark::DoNotOptimize(bev_sample(features, {sampling}));
}
BENCHMARK_CAPTURE(bev_sample_forward, f32, DType::Float32);
BENCHMARK_CAPTURE(bev_sample_forward, bf16, DType::BFloat16);

void bev_sample_forward_backward(benchmark::State& state) {
  const auto sampling = rig();
  const auto features = rig_features(*sampling, DType::Float32);
  const Tensor dy = ones({1, 512, 56, 104}, {DType::Float32, MemoryFormat::ChannelsLast});
  for (auto _ : state) backward(bev_sample(features, {sampling}), dy);
}
BENCHMARK(bev_sample_forward_backward);

void warp(benchmark::State& state, Interpolation mode) {
  const Tensor x = ones({8, 128, 56, 104}, {DType::Float32, MemoryFormat::ChannelsLast});
  Tensor matrices = empty({8, 2, 3}, {DType::Float64});
  ops::copy_(matrices, from_values({0.99, -0.1, 3.1, 0.1, 0.99, 0.4}, {2, 3}, {DType::Float64}));
  for (auto _ : state) benchmark::DoNotOptimize(warp_bev(x, matrices, {-20.8, -22.4, 62.4, 22.4}, mode));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(2 * x.nbytes()));
}
BENCHMARK_CAPTURE(warp, nearest, Interpolation::Nearest);
BENCHMARK_CAPTURE(warp, bilinear, Interpolation::Bilinear);

void weighted_sum_of_four(benchmark::State& state) {
  const Tensor x = ones({8, 128, 56, 104}, {DType::Float32, MemoryFormat::ChannelsLast});
  const Tensor weights = softmax(zeros({8, 4, 56, 104}), 1);
  for (auto _ : state) benchmark::DoNotOptimize(weighted_sum({x, x, x, x}, weights));
}
BENCHMARK(weighted_sum_of_four);

void pillar_maximum(benchmark::State& state) {
  constexpr int64_t kPillars = 16000;
  Tensor offsets = empty({kPillars + 1}, {DType::Int64});
  for (int64_t i = 0; i <= kPillars; ++i) offsets.data<int64_t>()[i] = 3 * i;
  const Tensor x = ones({3 * kPillars, 64}), floor = zeros({64});
  for (auto _ : state) benchmark::DoNotOptimize(segment_max(x, offsets, floor, 48));
}
BENCHMARK(pillar_maximum);

template <class Loss>
void loss(benchmark::State& state, const Loss& function) {
  const Tensor logits = full({4, 9, 224, 416}, -2, {DType::Float32, MemoryFormat::ChannelsLast});
  const Tensor labels = zeros({4, 9, 224, 416}, {DType::UInt8});
  set_requires_grad(logits, true);
  for (auto _ : state) backward(function(logits, labels));
}
BENCHMARK_CAPTURE(loss, focal, [](const Tensor& x, const Tensor& t) { return sigmoid_focal_loss(x, t); });
BENCHMARK_CAPTURE(loss, dice, [](const Tensor& x, const Tensor& t) { return soft_dice_loss(x, t); });

}  // namespace
