// Whole training steps and whole forward passes.
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <numeric>

#include "autograd/autograd.h"
#include "base/files.h"
#include "internal/stopwatch.h"
#include "internal/synthetic.h"
#include "internal/synthetic_training.h"
#include "nn/range_watch.h"
#include "profiling/benches.h"
#include "tensor/allocator.h"
#include "train/eight_bits.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/parts.h"
#include "train/profile_report.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

// The second step records what is replayed from then on.
constexpr int kWarmUp = 2;

/// Seconds of SyntheticTraining::parts().
std::vector<double> timed_step(SyntheticTraining& training) {
  synchronize(training.device());
  Stopwatch watch;
  std::vector<double> seconds;
  training.step([&] {
    synchronize(training.device());
    seconds.push_back(watch.lap());
  });
  return seconds;
}

double limit_of(const MachineLimits& limits, bool amp) {
  return amp && limits.bfloat16 > 0 ? limits.bfloat16 : limits.float32;
}

/// From a profile of one more run: the share of time spent in heavy kernels, and their FLOP rate.
std::vector<Figure> profile_figures(const std::vector<profile::Event>& events, double limit, const char* limit_name) {
  const ProfileShares shares = shares_of(events);
  const double rate = shares.heavy > 0 ? shares.heavy_flops / shares.heavy : 0;
  return {{"work of convolutions and products", shares.heavy_flops * 1e-9, "GFLOP", 0, ""},
          {"their rate", rate * 1e-9, "GFLOP/s", limit > 0 ? rate / limit : 0, fmt::format("of {}", limit_name)},
          {"everything else", 100 * (1 - shares.heavy / std::max(shares.total, 1e-12)), "% of time", 0, ""}};
}

void write_trace(const BenchOptions& options, const std::vector<profile::Event>& events, Network& network) {
  if (options.trace.empty()) return;
  write_text_file(options.trace, chrome_trace(events, network));
  fmt::print("{}\n", profile_table(events, network));
}

}  // namespace

std::vector<Figure> bench_training(const configs::Document& document, const BenchOptions& options,
                                   const MachineLimits& limits) {
  SyntheticTraining training(document, options);
  for (int i = 0; i < kWarmUp; ++i) training.step([] {});
  reset_peak_memory(options.device);
  std::vector<double> best;
  for (int i = 0; i < options.repeats; ++i) {
    const std::vector<double> seconds = timed_step(training);
    const auto total = [](const std::vector<double>& parts) {
      return std::accumulate(parts.begin(), parts.end(), 0.0);
    };
    if (best.empty() || total(seconds) < total(best)) best = seconds;
  }
  const MemoryStats stats = memory_stats(options.device);
  profile::start(options.device);
  training.step([] {});
  const std::vector<profile::Event> events = profile::stop();
  const double total = std::accumulate(best.begin(), best.end(), 0.0);
  std::vector<Figure> figures = {
      {"samples a second", static_cast<double>(training.batch()) / total, "1/s", 0, ""},
      {"step", total * 1e3, "ms", 0, fmt::format("batch {}, {} threads", training.batch(), limits.threads)},
      {"parameters", static_cast<double>(training.network().parameter_count()) * 1e-6, "million", 0, ""}};
  const std::vector<const char*> names = training.parts();
  for (size_t i = 0; i < names.size(); ++i)
    figures.push_back({names[i], best[i] * 1e3, "ms", best[i] / total, "of the step"});
  const bool amp = document.proto.train().use_head_amp();
  for (Figure& figure : profile_figures(events, limit_of(limits, amp), amp ? "the bfloat16 peak" : "the float32 peak"))
    figures.push_back(std::move(figure));
  for (Figure& figure : training.memory(stats)) figures.push_back(std::move(figure));
  write_trace(options, events, training.network());
  return figures;
}

namespace {

/// Milliseconds of forward and backward of every outermost module.
std::vector<Figure> stage_figures(const std::vector<profile::Event>& events, Network& network) {
  std::map<const void*, std::string> names;
  network.visit([&](const std::string& path, Module& module) { names[&module] = path; });
  std::map<std::string, std::pair<double, double>> seconds;  // outermost module -> forward, backward
  double total = 0;
  for (const profile::Event& event : events) {
    if (event.kind == profile::Kind::Kernel) continue;
    const auto found = names.find(event.module);
    const std::string path = found == names.end() ? event.phase : found->second;
    auto& [forward, backward] = seconds[path.empty() ? "(between modules)" : path.substr(0, path.find('.'))];
    (event.kind == profile::Kind::Backward ? backward : forward) += event.seconds;
    total += event.seconds;
  }
  std::vector<Figure> figures;
  for (const auto& [name, parts] : seconds) {
    figures.push_back({name + " forward", parts.first * 1e3, "ms", parts.first / total, "of the whole"});
    if (parts.second > 0)
      figures.push_back({name + " backward", parts.second * 1e3, "ms", parts.second / total, "of the whole"});
  }
  return figures;
}

/// Where int8.on: with the config's ranges, or with those of this input.
void prepare_eight_bits(Network& network, const configs::Document& document, const NetworkInput& input) {
  const config::Int8& int8 = document.proto.int8();
  if (!int8.on()) return;
  RangeWatch watch;
  if (int8.convs().empty()) {
    const ConvObserver observer(network, watch.see(network));
    network.forward(input);
  }
  set_eight_bits(network, int8.convs().empty() ? watch.ranges() : activation_ranges(int8));
}

}  // namespace

std::vector<Figure> bench_modules(const configs::Document& document, const BenchOptions& options) {
  SyntheticTraining training(document, options);
  training.step([] {});
  profile::start(options.device);
  training.step([] {});
  const std::vector<profile::Event> events = profile::stop();
  std::vector<Figure> figures = stage_figures(events, training.network());
  write_trace(options, events, training.network());
  return figures;
}

std::vector<Figure> bench_inference(const configs::Document& document, const BenchOptions& options,
                                    const MachineLimits& limits) {
  const config::Config& proto = document.proto;
  Generator generator(proto.seed());
  Network network(configs::network_options(document), generator, network_parts(document, options.parts));
  network.move_to(options.device);
  network.set_training(false);
  const int64_t count = options.batch > 0 ? options.batch : 1;
  Batch batch = synthetic_batch(document, count, true, generator);
  batch.on_device = std::make_shared<BatchCopies>(batch, options.device);
  const NetworkInput input = network_input(batch);
  const NoGradGuard no_grad;
  prepare_eight_bits(network, document, input);
  Stopwatch first;
  network.forward(input);
  synchronize(options.device);
  const double first_seconds = first.lap();
  const double seconds = fastest_run(options.repeats, [&] {
    network.forward(input);
    synchronize(options.device);
  });
  profile::start(options.device);
  network.forward(input);
  const std::vector<profile::Event> events = profile::stop();
  const bool amp = proto.train().use_backbone_amp();
  std::vector<Figure> figures = {
      {"samples a second", static_cast<double>(count) / seconds, "1/s", 0, ""},
      {"forward", seconds * 1e3, "ms", 0, fmt::format("batch {}, {} threads", count, limits.threads)},
      {"first forward", first_seconds * 1e3, "ms", 0, ""}};
  for (Figure& figure : stage_figures(events, network)) figures.push_back(std::move(figure));
  const bool int8 = proto.int8().on();
  for (Figure& figure : profile_figures(events, int8 ? 0 : limit_of(limits, amp),
                                        int8  ? "8 and 32 bits together"
                                        : amp ? "the bfloat16 peak"
                                              : "the float32 peak"))
    figures.push_back(std::move(figure));
  figures.push_back({"memory, peak resident", peak_resident_bytes() / 1e6, "MB", 0, ""});
  write_trace(options, events, network);
  return figures;
}

}  // namespace bevgrad
