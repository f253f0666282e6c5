// The least time that a training step can take on a GPU that need not be here: every operation takes as long as its
// bytes at the memory's rate or its arithmetic at the tensor cores', whichever is longer.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "internal/synthetic_training.h"
#include "profiling/benches.h"
#include "tensor/allocator.h"
#include "tensor/device_counts.h"
#include "tensor/profile.h"

namespace bevgrad {
namespace {

/// As the makers publish them: bytes/s; FLOP/s of dense products, summed up in float32.
struct GpuRates {
  const char* name;
  double memory, bfloat16, tf32;
};
constexpr GpuRates kGpus[] = {{"a100", 2.04e12, 312e12, 156e12},     {"h100", 3.35e12, 989e12, 494e12},
                              {"h200", 4.8e12, 989e12, 494e12},      {"b200", 8.0e12, 2250e12, 1125e12},
                              {"rtx4090", 1.01e12, 165e12, 82.6e12}, {"rtx5090", 1.79e12, 209e12, 105e12}};

// What queueing costs the host, in seconds: estimates, which a measurement has to replace.
constexpr double kOfLaunch = 4e-6, kOfLibraryCall = 15e-6, kOfAllocation = 1.2e-6;

}  // namespace

std::vector<std::string> modelled_gpus() {
  std::vector<std::string> names;
  for (const GpuRates& gpu : kGpus) names.push_back(gpu.name);
  return names;
}

std::vector<Figure> bench_model(const configs::Document& document, const BenchOptions& options,
                                const std::string& gpu) {
  const GpuRates* rates = std::ranges::find_if(kGpus, [&](const GpuRates& one) { return one.name == gpu; });
  if (rates == std::end(kGpus)) throw UsageError(fmt::format("bench model: --gpu {} is not known", gpu));
  set_device_caching(true);
  SyntheticTraining training(document, options);
  for (int i = 0; i < 3; ++i) training.step([] {});
  const DeviceCounts before = device_counts();
  training.step([] {});
  const DeviceCounts counts = device_counts() - before;
  profile::start(options.device);
  training.step([] {});
  const std::vector<profile::Event> events = profile::stop();

  const double peak = document.proto.train().use_head_amp() ? rates->bfloat16 : rates->tf32;
  double least = 0, bytes = 0, flops = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const profile::Event& event = events[i];
    const bool is_kernel = event.kind == profile::Kind::Kernel;
    // An operation around kernels of the contract: they know more of what is read and written.
    const bool before_it = i > 0 && events[i - 1].kind == profile::Kind::Kernel;
    const bool after_it = i + 1 < events.size() && events[i + 1].kind == profile::Kind::Kernel;
    if (!is_kernel && (event.kind == profile::Kind::Forward ? before_it : after_it)) continue;
    // Of an operation its result alone is known: as much is read.
    const double moved = static_cast<double>(event.bytes) * (is_kernel ? 1 : 2);
    least += std::max(moved / rates->memory, event.flops / peak);
    bytes += moved;
    flops += event.flops;
  }
  const auto samples = static_cast<double>(training.batch());
  std::vector<Figure> figures = {
      {"least time of a step", least * 1e3, "ms", 0,
       fmt::format("{}, batch {}: {:.0f} samples a second", gpu, training.batch(), samples / least)},
      {"memory alone", bytes / rates->memory * 1e3, "ms", bytes / rates->memory / least,
       fmt::format("{:.2f} GB", bytes * 1e-9)},
      {"arithmetic alone", flops / peak * 1e3, "ms", flops / peak / least, fmt::format("{:.0f} GFLOP", flops * 1e-9)}};
  if (options.device.is_cpu()) return figures;
  using enum DeviceWork;
  const double host = static_cast<double>(counts[Launch]) * kOfLaunch +
                      static_cast<double>(counts[LibraryCall]) * kOfLibraryCall +
                      static_cast<double>(counts[DriverAllocation]) * kOfAllocation;
  figures.push_back({"the host's queueing", host * 1e3, "ms", 0,
                     fmt::format("an estimate: {} launches, {} library calls, {} driver allocations, {} waits",
                                 counts[Launch], counts[LibraryCall], counts[DriverAllocation], counts[Wait])});
  figures.push_back({"of the least time", 100 * least / std::max(least, host), "%", 0, "what the host leaves of it"});
  return figures;
}

}  // namespace bevgrad
