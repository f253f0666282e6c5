// What ranks that train together say to one another in a step, counted, and what of it a step waits for, by a formula.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "autograd/batch_sync.h"
#include "internal/synthetic_training.h"
#include "optim/freezing.h"
#include "profiling/benches.h"

namespace bevgrad {
namespace {

// What one message takes, and what one rank can send in a second: within a machine of eight GPUs, and between machines
// with one card of 400 Gb/s a GPU and a ring through each.
constexpr double kLatency = 5e-6, kWithinMachine = 360e9, kBetweenMachines = 300e9;
constexpr int kRanksOfMachine = 8;

struct Said {
  int64_t messages = 0, sums = 0, bytes = 0;

  void add(size_t count, size_t size) {
    ++messages;
    sums += static_cast<int64_t>(count);
    bytes += static_cast<int64_t>(size);
  }
  Said operator-(const Said& before) const {
    return {messages - before.messages, sums - before.sums, bytes - before.bytes};
  }
};

/// Sends nothing: values are those of one rank.
BatchSync counting(Said& said, const config::Distributed& options) {
  BatchSync sync;
  sync.sum = [&said](std::span<double> values) { said.add(1, values.size_bytes()); };
  sync.sum_tensors = [&said](std::span<const Tensor> tensors) {
    size_t bytes = 0;
    for (const Tensor& tensor : tensors) bytes += tensor.nbytes();
    said.add(tensors.size(), bytes);
  };
  sync.processes = 2;
  sync.norms = options.sync_batch_norm();
  sync.losses = options.sync_losses();
  return sync;
}

double seconds_of(double messages, double bytes, int ranks, bool is_tree) {
  const double rate = ranks <= kRanksOfMachine ? kWithinMachine : kBetweenMachines;
  const double rounds = is_tree ? 2 * std::log2(ranks) : 2 * (ranks - 1);
  return messages * rounds * kLatency + 2.0 * (ranks - 1) / ranks * bytes / rate;
}

}  // namespace

std::vector<Figure> bench_scaling(const configs::Document& document, const BenchOptions& options,
                                  const std::string& gpu) {
  configs::Document launched = document;
  // Several ranks launch their steps one by one.
  launched.proto.mutable_train()->set_cuda_graphs(false);
  Said said;
  std::vector<Said> laps = {{}};
  int64_t parameters = 0;
  {
    SyntheticTraining training(launched, options);
    for (const auto& [name, value] : trainable_parameters(training.network())) parameters += value.numel();
    const BatchSync sync = counting(said, document.proto.distributed());
    const BatchSyncGuard guard(&sync);
    training.step([&] { laps.push_back(said); });
  }
  const char* names[] = {"statistics, forward", "losses", "statistics, backward"};
  const double gradients = 4.0 * static_cast<double>(parameters);
  std::vector<Figure> figures = {{"trained parameters", static_cast<double>(parameters), "", 0, ""},
                                 {"gradients", gradients / 1e6, "MB a step", 0, "hidden but for the last piece"}};
  for (size_t i = 0; i < std::size(names); ++i) {
    const Said part = laps[i + 1] - laps[i];
    figures.push_back({names[i], static_cast<double>(part.messages), "messages a step", 0,
                       fmt::format("{} sums, {:.1f} kB", part.sums, static_cast<double>(part.bytes) / 1e3)});
  }
  figures.push_back({"the report of the step", 1, "messages a step", 0, "loss, terms, signals"});

  // A batch of the config takes as many times longer as it has more samples.
  const std::vector<Figure> model = bench_model(launched, options, gpu);
  const double batch = static_cast<double>(document.proto.train().batch_size());
  const double measured = options.batch > 0 ? static_cast<double>(options.batch) : batch;
  const double step = model[0].value * 1e-3 * batch / measured;
  figures.push_back({"least time of a step", step * 1e3, "ms", 0, fmt::format("{}, batch {} a rank", gpu, batch)});
  const double last = std::min(gradients, document.proto.distributed().bucket_mb() * (1 << 20));
  const double messages = static_cast<double>(said.messages) + 1;
  for (const int ranks : {8, 64, 512}) {
    // All small messages, and the last piece of the gradients.
    const auto exposed = [&](bool is_tree) {
      return seconds_of(messages + 1, static_cast<double>(said.bytes) + last, ranks, is_tree);
    };
    const auto share = [&](double seconds) { return 100 * step / (step + seconds); };
    figures.push_back({fmt::format("{} ranks, exposed", ranks), exposed(true) * 1e3, "ms",
                       step / (step + exposed(true)),
                       fmt::format("gradients take {:.1f} ms; messages by rings: {:.1f} ms exposed, {:.0f} % efficient",
                                   seconds_of(std::ceil(gradients / last), gradients, ranks, true) * 1e3,
                                   exposed(false) * 1e3, share(exposed(false)))});
  }
  return figures;
}

}  // namespace bevgrad
