// The machine, single operations, loading and checkpoints.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "data/loader.h"
#include "internal/stopwatch.h"
#include "models/network.h"
#include "profiling/benches.h"
#include "tasks/task_list.h"
#include "tensor/backend.h"
#include "tensor/ops.h"
#include "train/checkpoint/checkpoint.h"
#include "train/options/from_config.h"
#include "train/parts.h"

namespace bevgrad {
namespace {

struct ConvCase {
  std::string name;
  int64_t in, out, rows, columns;
  int kernel;
};

/// The convolutions that step 2 trains.
std::vector<ConvCase> trained_convolutions(const config::Config& proto, int64_t rows, int64_t columns) {
  const int64_t bev = proto.network().bev_channels();
  const int64_t half = proto.network().static_head().up1_channels(),
                full = proto.network().static_head().up2_channels();
  const int64_t lanes = proto.network().static_head().lane_classes_size();
  return {{"fusion and trunk", bev, bev, rows, columns, 3},
          {"up1", bev, half, 2 * rows, 2 * columns, 3},
          {"up2", half, full, 4 * rows, 4 * columns, 3},
          {"instance", half, half, 2 * rows, 2 * columns, 3},
          {"lane", full, lanes, 4 * rows, 4 * columns, 1}};
}

Tensor activation(const Shape& sizes, DType dtype, Generator& generator, Device device) {
  return ops::to(ops::contiguous(ops::to(generator.uniform(sizes, -1, 1), dtype), MemoryFormat::ChannelsLast), device);
}

}  // namespace

std::vector<Figure> bench_machine(const MachineLimits& limits, Device device) {
  const bool cpu = device.is_cpu();
  const std::string where = cpu ? fmt::format("{} threads", limits.threads) : to_string(device);
  std::vector<Figure> figures;
  const auto add = [&](const char* name, double value, const char* unit) {
    if (value > 0) figures.push_back({name, value * 1e-9, unit, 0, where});
  };
  add(cpu ? "float32 multiply-adds" : "float32 matrix products", limits.float32, "GFLOP/s");
  add(cpu ? "bfloat16 dot products" : "bfloat16 matrix products", limits.bfloat16, "GFLOP/s");
  add("memory, read and written", limits.memory, "GB/s");
  return figures;
}

std::vector<Figure> bench_ops(const configs::Document& document, const BenchOptions& options,
                              const MachineLimits& limits) {
  const config::Config& proto = document.proto;
  const int64_t batch = options.batch > 0 ? options.batch : 4;
  const BevGrid grid = configs::network_options(document).grid;
  Generator generator(1);
  std::vector<Figure> figures;
  for (const DType dtype : {DType::Float32, DType::BFloat16}) {
    const double limit = dtype == DType::BFloat16 ? limits.bfloat16 : limits.float32;
    for (const ConvCase& c : trained_convolutions(proto, grid.rows(), grid.columns())) {
      const Tensor x = activation({batch, c.in, c.rows, c.columns}, dtype, generator, options.device);
      const Tensor y = activation({batch, c.out, c.rows, c.columns}, dtype, generator, options.device);
      const Tensor weight = ops::to(generator.uniform({c.out, c.in, c.kernel, c.kernel}, -1, 1), options.device);
      const ConvOptions conv{.stride = 1, .padding = c.kernel / 2, .keep_weight = false};
      const Backend& device = backend(options.device);
      const double flops = 2.0 * static_cast<double>(y.numel() * c.in) * c.kernel * c.kernel;
      const auto add = [&](const char* pass, const auto& work) {
        const double rate = flops / fastest_run(options.repeats, [&] {
                              work();
                              synchronize(options.device);
                            });
        figures.push_back({fmt::format("conv {}, {}, {}", c.name, pass, name(dtype)), rate * 1e-9, "GFLOP/s",
                           limit > 0 ? rate / limit : 0, "of the peak"});
      };
      add("forward", [&] { device.conv2d_forward(y, x, weight, {}, conv); });
      add("input gradient", [&] { device.conv2d_backward_input(x, y, weight, conv); });
      add("weight gradient", [&] { device.conv2d_backward_weight(weight, x, y, conv); });
    }
  }
  return figures;
}

std::vector<Figure> bench_loading(const configs::Document& document, const BenchOptions& options) {
  const config::Config& proto = document.proto;
  const TaskList tasks(options.parts.tasks, document);
  const std::vector<ListGroup> lists = configs::train_lists(
      proto, [&](const config::ListGroup& list) { return tasks.active().front().task->takes(list); });
  if (lists.empty()) throw UsageError("bench loading: the config names no training list");
  const Dataset dataset(configs::lmdb_list(proto), lists, configs::dataset_options(proto, true));
  const int64_t batch = options.batch > 0 ? options.batch : proto.train().batch_size();
  std::vector<Figure> figures;
  for (const bool sensors : {true, false}) {
    Loader loader(dataset, make_shuffled_sampler(dataset, {.batch_size = batch}),
                  {.workers = proto.train().num_workers(), .sensors = sensors});
    loader.next();
    Stopwatch watch;
    const int batches = std::max(2, 2 * options.repeats);
    for (int i = 0; i < batches; ++i) loader.next();
    const double rate = static_cast<double>(batch * batches) / watch.lap();
    figures.push_back({sensors ? "samples a second" : "samples a second without pictures and points", rate, "1/s", 0,
                       fmt::format("{} workers, batch {}", proto.train().num_workers(), batch)});
  }
  return figures;
}

std::vector<Figure> bench_checkpoint(const configs::Document& document, const std::string& folder, const Parts& parts) {
  Generator generator(document.proto.seed());
  Network network(configs::network_options(document), generator, network_parts(document, parts));
  Checkpoint checkpoint;
  checkpoint.state_dict = network.state_dict();
  const std::string path = fmt::format("{}/bevgrad_bench_{}.h5", folder, ::getpid());
  Stopwatch watch;
  save_checkpoint(path, checkpoint);
  const double writing = watch.lap();
  load_checkpoint(path);
  const double reading = watch.lap();
  const double megabytes = static_cast<double>(std::filesystem::file_size(path)) / 1e6;
  std::filesystem::remove(path);
  return {{"size", megabytes, "MB", 0, ""},
          {"writing", megabytes / writing, "MB/s", 0, "with checksums and sync"},
          {"reading", megabytes / reading, "MB/s", 0, "with checksums"}};
}

}  // namespace bevgrad
