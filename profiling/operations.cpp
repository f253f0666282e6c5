// Times every row of the table of operations.
#include <fmt/format.h>

#include <algorithm>

#include "autograd/autograd.h"
#include "autograd/functions/pointwise.h"
#include "internal/operation_cases.h"
#include "internal/stopwatch.h"
#include "profiling/benches.h"
#include "tensor/ops.h"
#include "tensor/random.h"

namespace bevgrad {
namespace {

Tensor made(const OperationInput& input, Generator& generator, Device device) {
  const bool real = is_floating_point(input.dtype);
  Tensor values = generator.uniform(input.sizes, real ? 0.1 : 0, real ? 1 : static_cast<double>(input.below));
  values = ops::to(ops::to(values, input.dtype), device);
  return input.channels_last ? ops::contiguous(values, MemoryFormat::ChannelsLast) : values;
}

/// The fastest of at least `repeats` runs, and of as many as fit into a tenth of a second; `prepare` is not timed.
template <class Prepare, class Work>
double fastest(const BenchOptions& options, const Prepare& prepare, const Work& work) {
  constexpr double kEnough = 0.1;
  double best = 1e30, total = 0;
  for (int run = 0; run <= options.repeats || (options.repeats > 1 && total < kEnough); ++run) {
    auto prepared = prepare();
    synchronize(options.device);
    Stopwatch watch;
    const double start = processor_seconds();
    work(prepared);
    synchronize(options.device);
    const double processor = processor_seconds() - start, clock = watch.lap();
    const double seconds = options.processor_time ? processor : clock;
    total += seconds;
    if (run > 0) best = std::min(best, seconds);
  }
  return best;
}

/// An addition of four numbers that is recorded, in seconds: the fastest of several runs of many.
double recorded_addition(const BenchOptions& options) {
  constexpr int kCalls = 10000;
  const Tensor a = ones({4}, {.device = options.device}), b = ones({4}, {.device = options.device});
  set_requires_grad(a, true);
  set_requires_grad(b, true);
  const auto run = [&](int) {
    for (int i = 0; i < kCalls; ++i) add(a, b);
  };
  return fastest(
             options, [] { return 0; }, run) /
         kCalls;
}

}  // namespace

std::vector<Figure> bench_operations(const BenchOptions& options, const std::string& only) {
  constexpr const char* kSmall = "add_of_four";
  const std::vector<OperationCase> cases = operation_cases();
  const bool is_name =
      only == kSmall || std::any_of(cases.begin(), cases.end(), [&](const auto& row) { return row.name == only; });
  const auto wanted = [&](const std::string& name) {
    return is_name ? name == only : name.find(only) != std::string::npos;
  };
  std::vector<Figure> figures;
  for (const OperationCase& row : cases) {
    if (!wanted(row.name)) continue;
    Generator generator(1);
    std::vector<Tensor> inputs;
    std::string remark;
    for (const OperationInput& input : row.inputs) {
      inputs.push_back(made(input, generator, options.device));
      remark += (remark.empty() ? "" : "; ") + input.text();
    }
    Tensor dy;
    {
      const NoGradGuard no_grad;
      const double seconds = fastest(
          options, [] { return 0; }, [&](int) { row.run(inputs); });
      figures.push_back({row.name + ", forward", seconds * 1e6, "us", 0, remark});
      if (!row.has_gradient) continue;
      dy = ops::to(empty_like(row.run(inputs)), options.device);
      ops::fill_(dy, 1);
    }
    for (const Tensor& input : inputs)
      if (is_floating_point(input.dtype())) set_requires_grad(input, true);
    const double seconds = fastest(
        options,
        [&] {
          for (const Tensor& input : inputs) set_grad(input, {});
          return row.run(inputs);
        },
        [&](const Tensor& y) { backward(y, dy); });
    figures.push_back({row.name + ", backward", seconds * 1e6, "us", 0, remark});
  }
  if (wanted(kSmall))
    figures.push_back(
        {std::string(kSmall) + ", recorded", recorded_addition(options) * 1e6, "us", 0, "float32 [4]; float32 [4]"});
  if (figures.empty()) throw UsageError(fmt::format("bench ops: no operation's name contains '{}'", only));
  return figures;
}

}  // namespace bevgrad
