// How near every primitive of the network comes to what the machine could do at best.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>

#include "internal/synthetic_training.h"
#include "nn/module.h"
#include "profiling/benches.h"
#include "tensor/profile.h"

namespace bevgrad {
namespace {

using profile::Event;
using profile::Kind;

// A kernel, or what an operation does beside its kernels, of one module.
struct Primitive {
  double seconds = 0, flops = 0, bytes = 0;
  bool is_bfloat16 = false;
};
using Primitives = std::map<std::string, Primitive>;

double least_seconds(const Primitive& primitive, const MachineLimits& limits) {
  const double rate = primitive.is_bfloat16 && limits.bfloat16 > 0 ? limits.bfloat16 : limits.float32;
  return std::max(rate > 0 ? primitive.flops / rate : 0, limits.memory > 0 ? primitive.bytes / limits.memory : 0);
}

// What the events of one step come to. `amp`: whether a module computes in bfloat16.
Primitives primitives_of(const std::vector<Event>& events, const std::map<const void*, std::string>& paths,
                         const std::function<bool(const std::string& path)>& amp) {
  Primitives primitives;
  const auto add = [&](const Event& event, const std::string& name, double seconds) {
    const auto found = paths.find(event.module);
    const std::string path = found == paths.end() ? fmt::format("({})", event.phase) : found->second;
    Primitive& primitive = primitives[name + " " + path];
    primitive.seconds += seconds;
    primitive.flops += event.flops;
    primitive.bytes += static_cast<double>(event.bytes);
    primitive.is_bfloat16 = amp(path);
  };
  std::vector<const Event*> kernels;
  for (const Event& event : events)
    if (event.kind == Kind::Kernel) {
      kernels.push_back(&event);
      add(event, event.name, event.seconds);
    }
  std::ranges::sort(kernels, {}, [](const Event* kernel) { return kernel->start; });
  for (const Event& event : events) {
    if (event.kind == Kind::Kernel) continue;
    double own = event.seconds;
    const auto first =
        std::ranges::lower_bound(kernels, event.start, {}, [](const Event* kernel) { return kernel->start; });
    bool has_kernels = false;
    for (auto kernel = first; kernel != kernels.end() && (*kernel)->start < event.start + event.seconds; ++kernel) {
      own -= (*kernel)->seconds;
      has_kernels = true;
    }
    Event rest = event;
    if (has_kernels) rest.bytes = 0;  // they were counted with the kernels
    add(rest, event.name + std::string(event.kind == Kind::Backward ? " backward, beside kernels" : ", beside kernels"),
        own);
  }
  return primitives;
}

}  // namespace

std::vector<Figure> bench_roofline(const configs::Document& document, const BenchOptions& options,
                                   const MachineLimits& limits) {
  SyntheticTraining training(document, options);
  std::map<const void*, std::string> paths;
  training.network().visit([&](const std::string& path, Module& module) { paths[&module] = path; });
  const auto amp = [&](const std::string& path) {
    const config::Train& train = document.proto.train();
    return training.network().is_encoder(path) ? train.use_backbone_amp() : train.use_head_amp();
  };
  for (int i = 0; i < 2; ++i) training.step([] {});
  Primitives best;
  for (int i = 0; i < options.repeats; ++i) {
    profile::start(options.device);
    training.step([] {});
    for (const auto& [name, primitive] : primitives_of(profile::stop(), paths, amp)) {
      const auto [entry, is_new] = best.try_emplace(name, primitive);
      if (!is_new && primitive.seconds < entry->second.seconds) entry->second = primitive;
    }
  }
  std::vector<std::pair<std::string, Primitive>> sorted(best.begin(), best.end());
  std::ranges::sort(sorted, [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  double total = 0, least = 0;
  for (const auto& [name, primitive] : sorted) {
    total += primitive.seconds;
    least += std::min(least_seconds(primitive, limits), primitive.seconds);
  }
  std::vector<Figure> figures = {
      {"step", total * 1e3, "ms", least / total, "of it is what the machine's limits ask for"}};
  double told = 0;
  for (const auto& [name, primitive] : sorted) {
    if (told >= 0.9 * total) break;
    told += primitive.seconds;
    const double bound = least_seconds(primitive, limits);
    const bool by_memory = bound * limits.memory <= primitive.bytes * 1.0001;
    figures.push_back(
        {name, primitive.seconds * 1e3, "ms", bound / std::max(primitive.seconds, 1e-12),
         fmt::format("of the limit by {}; {:.1f} % of the step, {}", by_memory ? "memory" : "arithmetic",
                     100 * primitive.seconds / total,
                     by_memory ? fmt::format("{:.1f} GB/s", primitive.bytes / primitive.seconds * 1e-9)
                               : fmt::format("{:.0f} GFLOP/s", primitive.flops / primitive.seconds * 1e-9))});
  }
  figures.push_back(
      {"all others", (total - told) * 1e3, "ms", 0, fmt::format("{:.1f} % of the step", 100 - 100 * told / total)});
  return figures;
}

}  // namespace bevgrad
