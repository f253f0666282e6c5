// Kernels that are bound by memory: bytes a second, beside the rate of a plain copy.
#include <fmt/format.h>

#include "autograd/functions.h"
#include "internal/stopwatch.h"
#include "nn/batch_norm.h"
#include "nn/losses.h"
#include "optim/adamw.h"
#include "optim/clip_grad_norm.h"
#include "profiling/benches.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

class KernelBench {
 public:
  KernelBench(const BenchOptions& options, const MachineLimits& limits) : options_(options), limits_(limits) {}

  /// `bytes`: what the kernel has to read and write at least.
  template <class F>
  void add(const std::string& name, size_t bytes, const F& run) {
    constexpr int kRunsATime = 10;  // so that the launch of one hides behind the one before
    const double seconds = fastest_run(options_.repeats, [&] {
      for (int i = 0; i < kRunsATime; ++i) run();
      synchronize(options_.device);
    });
    const double rate = static_cast<double>(bytes) * kRunsATime / seconds;
    figures.push_back({name, rate * 1e-9, "GB/s", limits_.memory > 0 ? rate / limits_.memory : 0,
                       fmt::format("of a copy; {:.1f} MB in {:.3f} ms", static_cast<double>(bytes) * 1e-6,
                                   seconds / kRunsATime * 1e3)});
  }

  std::vector<Figure> figures;

 private:
  const BenchOptions& options_;
  const MachineLimits& limits_;
};

}  // namespace

std::vector<Figure> bench_kernels(const BenchOptions& options, const MachineLimits& limits) {
  const int64_t batch = options.batch > 0 ? options.batch : 16;
  Generator generator(1);
  KernelBench bench(options, limits);
  const NoGradGuard no_grad;
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const auto map = [&](int64_t channels, int64_t rows, int64_t columns) {
      const Tensor values = generator.uniform({batch, channels, rows, columns});
      return ops::to(ops::contiguous(ops::to(values, dtype), MemoryFormat::ChannelsLast), options.device);
    };
    const std::string type = ", " + std::string(name(dtype));
    const Tensor x = map(128, 56, 104);
    const size_t bytes = x.nbytes();
    bench.add("copy" + type, 2 * bytes, [&] { ops::clone(x); });
    bench.add("add" + type, 3 * bytes, [&] { ops::add(x, x); });
    bench.add("sum" + type, bytes, [&] { ops::sum(x); });
    bench.add("to the other type" + type, bytes * (dtype == DType::Float32 ? 3 : 6) / 2,
              [&] { ops::to(x, dtype == DType::Float32 ? DType::BFloat16 : DType::Float32); });
    BatchNorm norm(x.size(1));
    norm.move_to(options.device);
    norm.set_training(true);
    bench.add("batch normalisation, ReLU" + type, 3 * bytes, [&] { norm.forward(x, {.relu = true}); });
    norm.set_training(false);
    bench.add("normalisation by running statistics" + type, 2 * bytes, [&] { norm.forward(x, {.relu = true}); });
    const Tensor half = map(64, 56, 104);
    bench.add("bilinear x2" + type, 5 * half.nbytes(),
              [&] { interpolate_bilinear(half, 2 * half.size(2), 2 * half.size(3)); });
  }
  const TensorOptions like{DType::Float32, {}, options.device};
  const Tensor logits =
      ops::contiguous(ops::to(generator.uniform({batch, 9, 224, 416}), options.device), MemoryFormat::ChannelsLast);
  const Tensor labels = ops::contiguous(ops::to(zeros(logits.sizes(), {.dtype = DType::UInt8}), options.device),
                                        MemoryFormat::ChannelsLast);
  bench.add("focal loss", logits.nbytes() + labels.nbytes(), [&] { sigmoid_focal_loss(logits, labels); });
  bench.add("dice loss", logits.nbytes() + labels.nbytes(), [&] { soft_dice_loss(logits, labels); });
  const Tensor weight = zeros({1 << 22}, like);
  set_requires_grad(weight, true);
  set_grad(weight, zeros({1 << 22}, like));
  AdamW optimizer(AdamWOptions{});
  optimizer.set_parameters(optimized_parameters({{"weight", weight}}, {}));
  bench.add("gradient norm", weight.nbytes(), [&] { squared_grad_norm(optimizer.parameters()); });
  bench.add("AdamW", 7 * weight.nbytes(), [&] { optimizer.step(1e-6); });
  return std::move(bench.figures);
}

}  // namespace bevgrad
