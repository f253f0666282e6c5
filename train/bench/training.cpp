// Whole training steps and whole forward passes.
#include <fmt/format.h>

#include <fstream>
#include <map>
#include <optional>

#include "autograd/autograd.h"
#include "base/files.h"
#include "bench/internal/profile_report.h"
#include "bench/internal/stopwatch.h"
#include "bench/internal/synthetic.h"
#include "optim/clip_grad_norm.h"
#include "optim/freezing.h"
#include "tensor/allocator.h"
#include "train/bench/benches.h"
#include "train/losses.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/parts.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

/// A network with all that a training step of its config needs but a dataset.
class SyntheticTraining {
 public:
  SyntheticTraining(const configs::Document& document, const BenchOptions& options)
      : proto_(document.proto),
        generator_(proto_.seed()),
        network_(configs::network_options(document), generator_, network_parts(document, options.parts)),
        optimizer_(make_optimizer(document, options.parts)),
        cached_(options.cached && proto_.tasks().enable_static_temporal()) {
    network_.move_to(options.device);
    network_.set_training(true);
    std::vector<std::pair<std::string, int64_t>> frozen;
    for (const config::FreezeModule& entry : proto_.train().freeze_module_schedules())
      frozen.emplace_back(entry.module(), entry.steps());
    FreezeSchedule(network_, frozen, network_.switched_off()).apply(0);
    optimizer_->set_parameters(optimized_parameters(trainable_parameters(network_), {}));
    const int64_t count = options.batch > 0 ? options.batch : proto_.train().batch_size();
    batch_ = synthetic_batch(document, count, !cached_, generator_);
    const BevGrid& grid = network_.options().grid;
    const Shape feature{count, proto_.network().bev_channels(), grid.rows(), grid.columns()};
    if (cached_) feature_ = ops::contiguous(generator_.uniform(feature), MemoryFormat::ChannelsLast);
    if (proto_.tasks().enable_static_temporal())
      history_ = synthetic_history(proto_, feature, DType::BFloat16, generator_);
    if (options.device.is_cpu()) return;
    batch_.on_device = std::make_shared<BatchCopies>(batch_, options.device);
    if (cached_) feature_ = ops::to(feature_, options.device);
    for (Tensor& past : history_.prev_feat_list) past = past.defined() ? ops::to(past, options.device) : past;
  }

  /// Seconds of forward, loss, backward and optimizer.
  std::vector<double> step() {
    const Device device = network_.device();
    synchronize(device);
    Stopwatch watch;
    std::vector<double> seconds;
    const auto lap = [&] {
      synchronize(device);
      seconds.push_back(watch.lap());
    };
    NetworkOutput output;
    if (cached_) {
      output.set(kBevFused, feature_);
    } else {
      output = network_.encode(network_input(batch_));
    }
    network_.decode(output, history_);
    lap();
    const Losses losses =
        compute_losses(output, batch_, proto_, {proto_.tasks().dynamic_task(), proto_.tasks().static_task()});
    profile::phase_done("loss");
    output = {};
    lap();
    backward(losses.total);
    lap();
    gradient_bytes_ = 0;
    for (const OptimizedParameter& parameter : optimizer_->parameters())
      if (const Tensor gradient = grad(parameter.value); gradient.defined()) gradient_bytes_ += gradient.nbytes();
    clip_grad_norm(optimizer_->parameters(), 5);
    optimizer_->step(1e-6);
    optimizer_->zero_grad();
    profile::phase_done("optimizer");
    lap();
    return seconds;
  }

  Network& network() { return network_; }
  int64_t batch() const { return batch_.size(); }

  std::vector<Figure> memory(size_t peak) const {
    size_t parameters = 0;
    for (const auto& [name, tensor] : network_.state_dict()) parameters += tensor.nbytes();
    size_t inputs = batch_.lane.nbytes() + batch_.road.nbytes() + (cached_ ? feature_.nbytes() : 0);
    for (const Tensor& image : batch_.images) inputs += image.nbytes();
    for (const Tensor& feature : history_.prev_feat_list) inputs += feature.defined() ? feature.nbytes() : 0;
    const size_t fixed = parameters + gradient_bytes_ + optimizer_->state_bytes() + inputs;
    const auto figure = [](const char* name, size_t bytes, const char* remark) {
      return Figure{name, static_cast<double>(bytes) / 1e6, "MB", 0, remark};
    };
    return {figure("memory, parameters and buffers", parameters, ""),
            figure("memory, gradients", gradient_bytes_, ""),
            figure("memory, optimizer", optimizer_->state_bytes(), ""),
            figure("memory, one batch with its history", inputs, "the loader makes as much again ahead"),
            figure("memory, activations", peak > fixed ? peak - fixed : 0, "peak of all tensors less the rest"),
            figure("memory, peak of all tensors", peak, ""),
            figure("memory, peak resident", static_cast<size_t>(peak_resident_bytes()), "")};
  }

 private:
  config::Config proto_;
  Generator generator_;
  Network network_;
  std::unique_ptr<Optimizer> optimizer_;
  bool cached_;
  Batch batch_;
  Tensor feature_;
  History history_;
  size_t gradient_bytes_ = 0;
};

double limit_of(const MachineLimits& limits, bool amp) {
  return amp && limits.bfloat16 > 0 ? limits.bfloat16 : limits.float32;
}

/// What a profile says of one more run: the share of the heavy kernels, and their rate.
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
  training.step();
  reset_peak_memory(options.device);
  std::vector<double> best;
  for (int i = 0; i < options.repeats; ++i) {
    const std::vector<double> seconds = training.step();
    const auto total = [](const std::vector<double>& parts) {
      double sum = 0;
      for (const double part : parts) sum += part;
      return sum;
    };
    if (best.empty() || total(seconds) < total(best)) best = seconds;
  }
  const size_t peak = memory_stats(options.device).peak;
  profile::start(options.device);
  training.step();
  const std::vector<profile::Event> events = profile::stop();
  const double total = best[0] + best[1] + best[2] + best[3];
  std::vector<Figure> figures = {
      {"samples a second", static_cast<double>(training.batch()) / total, "1/s", 0, ""},
      {"step", total * 1e3, "ms", 0, fmt::format("batch {}, {} threads", training.batch(), limits.threads)}};
  const char* names[] = {"forward", "loss", "backward", "optimizer"};
  for (size_t i = 0; i < 4; ++i) figures.push_back({names[i], best[i] * 1e3, "ms", best[i] / total, "of the step"});
  const bool amp = document.proto.train().use_head_amp();
  for (Figure& figure : profile_figures(events, limit_of(limits, amp), amp ? "the bfloat16 peak" : "the float32 peak"))
    figures.push_back(std::move(figure));
  for (Figure& figure : training.memory(peak)) figures.push_back(std::move(figure));
  write_trace(options, events, training.network());
  return figures;
}

std::vector<Figure> bench_modules(const configs::Document& document, const BenchOptions& options) {
  SyntheticTraining training(document, options);
  training.step();
  profile::start(options.device);
  training.step();
  const std::vector<profile::Event> events = profile::stop();
  std::map<const void*, std::string> names;
  training.network().visit([&](const std::string& path, Module& module) { names[&module] = path; });
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
    figures.push_back({name + " forward", parts.first * 1e3, "ms", parts.first / total, "of the step"});
    if (parts.second > 0)
      figures.push_back({name + " backward", parts.second * 1e3, "ms", parts.second / total, "of the step"});
  }
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
      {"forward", seconds * 1e3, "ms", 0, fmt::format("batch {}, {} threads", count, limits.threads)}};
  for (Figure& figure : profile_figures(events, limit_of(limits, amp), amp ? "the bfloat16 peak" : "the float32 peak"))
    figures.push_back(std::move(figure));
  figures.push_back({"memory, peak resident", peak_resident_bytes() / 1e6, "MB", 0, ""});
  write_trace(options, events, network);
  return figures;
}

}  // namespace bevgrad
