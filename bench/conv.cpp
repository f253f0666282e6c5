// Convolutions of the full-size network: each pass, and an evaluation step fused against apart.
#include <benchmark/benchmark.h>

#include "autograd/autocast.h"
#include "nn/batch_norm.h"
#include "nn/init.h"

namespace {

using namespace bevgrad;

struct Shape2d {
  const char* name;
  int64_t n, c, h, w, k;
  int kernel, stride, padding;
};

// One or two camera images, or one BEV feature.
constexpr Shape2d kShapes[] = {
    {"stem_3_64_7x7s2", 1, 3, 512, 960, 64, 7, 2, 3},
    {"layer1_64", 1, 64, 128, 240, 64, 3, 1, 1},
    {"layer2_64_128_s2", 1, 64, 128, 240, 128, 3, 2, 1},
    {"layer2_128", 2, 128, 64, 120, 128, 3, 1, 1},
    {"layer3_256", 2, 256, 32, 60, 256, 3, 1, 1},
    {"layer4_512", 4, 512, 16, 30, 512, 3, 1, 1},
    {"lateral_512_128_1x1", 4, 512, 16, 30, 128, 1, 1, 0},
    {"view_512_128", 1, 512, 56, 104, 128, 3, 1, 1},
    {"bev_128", 2, 128, 56, 104, 128, 3, 1, 1},
    {"up2_64_32", 1, 64, 224, 416, 32, 3, 1, 1},
    {"lane_32_9_1x1", 1, 32, 224, 416, 9, 1, 1, 0},
    {"pillars_64_s2", 1, 64, 224, 416, 64, 3, 2, 1},
};

Tensor activation(const Shape& sizes, DType dtype) {
  Generator generator(1);
  const Tensor x = generator.uniform(sizes, -1, 1, {DType::Float32, MemoryFormat::ChannelsLast});
  return ops::contiguous(ops::to(x, dtype), MemoryFormat::ChannelsLast);
}

void report(benchmark::State& state, const Shape2d& s, const Tensor& y) {
  const double flops = 2.0 * static_cast<double>(y.numel() * s.c) * s.kernel * s.kernel;
  state.counters["GFLOP/s"] =
      benchmark::Counter(flops * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

struct Problem {
  Tensor x, weight, y;
  ConvOptions options;
};

Problem problem(const Shape2d& s, DType dtype) {
  Problem p{
      activation({s.n, s.c, s.h, s.w}, dtype), activation({s.k, s.c, s.kernel, s.kernel}, DType::Float32), {}, {}};
  p.weight = ops::contiguous(p.weight);
  p.options = {s.stride, s.padding, true};
  p.y = conv2d(p.x, p.weight, {}, {s.stride, s.padding});
  return p;
}

void forward(benchmark::State& state, const Shape2d& s, DType dtype) {
  const Problem p = problem(s, dtype);
  for (auto _ : state) backend({}).conv2d_forward(p.y, p.x, p.weight, {}, p.options);
  report(state, s, p.y);
}

void backward_input(benchmark::State& state, const Shape2d& s, DType dtype) {
  const Problem p = problem(s, dtype);
  for (auto _ : state) backend({}).conv2d_backward_input(p.x, p.y, p.weight, p.options);
  report(state, s, p.y);
}

void backward_weight(benchmark::State& state, const Shape2d& s, DType dtype) {
  const Problem p = problem(s, dtype);
  for (auto _ : state) backend({}).conv2d_backward_weight(p.weight, p.x, p.y, p.options);
  report(state, s, p.y);
}

// conv + norm + residual + ReLU in evaluation, as one primitive or apart.
void evaluation(benchmark::State& state, const Shape2d& s, DType dtype, bool fused, bool residual) {
  NoGradGuard no_grad;
  AutocastGuard autocast(dtype);
  Conv2d conv(s.c, s.k, {.kernel = s.kernel, .stride = s.stride, .padding = s.padding, .bias = false});
  BatchNorm2d bn(s.k);
  bn.set_training(false);
  Generator generator(2);
  init::reset_parameters(conv, generator);
  const Tensor x = activation({s.n, s.c, s.h, s.w}, dtype);
  const Tensor shortcut = residual ? empty_like(conv.forward(x)) : Tensor();
  if (residual) ops::fill_(shortcut, 0.5);
  Tensor y;
  for (auto _ : state)
    y = fused ? conv_bn_relu(conv, bn, x, {.residual = shortcut, .relu = true})
              : bn.forward(conv.forward(x), {.residual = shortcut, .relu = true});
  report(state, s, y);
}

const int registered = [] {
  for (const Shape2d& s : kShapes)
    for (const DType dtype : {DType::Float32, DType::BFloat16}) {
      auto add = [&](const std::string& kind, auto body) {
        const std::string name = fmt::format("conv/{}/{}/{}", kind, s.name, bevgrad::name(dtype));
        benchmark::RegisterBenchmark(name.c_str(), body);
      };
      add("forward", [=](benchmark::State& state) { forward(state, s, dtype); });
      add("backward_input", [=](benchmark::State& state) { backward_input(state, s, dtype); });
      add("backward_weight", [=](benchmark::State& state) { backward_weight(state, s, dtype); });
      for (const bool residual : {false, true}) {
        const std::string suffix = residual ? "_residual" : "";
        add("evaluation_fused" + suffix, [=](auto& state) { evaluation(state, s, dtype, true, residual); });
        add("evaluation_apart" + suffix, [=](auto& state) { evaluation(state, s, dtype, false, residual); });
      }
    }
  return 0;
}();

}  // namespace
