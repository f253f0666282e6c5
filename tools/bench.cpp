// bevgrad bench: how fast this machine is, and how much of it the framework uses.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "common_options.h"
#include "profiling/benches.h"
#include "profiling/device_limits.h"
#include "profiling/scale.h"
#include "subcommands.h"
#include "train/work_dir.h"

namespace bevgrad {
namespace {

struct BenchFlags {
  ConfigFlags config;
  BenchOptions options;
  std::string json;
  std::string only;
  bool no_cache = false;
  ScaleOptions scale;
  std::string gpu = "h200";
};

std::vector<Figure> figures_of(const std::string& which, const BenchFlags& flags, const MachineLimits& limits) {
  if (which == "machine") return bench_machine(limits, flags.config.compute_device());
  if (which == "kernels" || !flags.only.empty()) {
    BenchOptions options = flags.options;
    options.device = flags.config.compute_device();
    return which == "kernels" ? bench_kernels(options, limits) : bench_operations(options, flags.only);
  }
  ConfigFlags config = flags.config;
  if (config.config.empty()) config.config = which == "step1" ? "hpa_step1" : "hpa_step2_static";
  const configs::Document document = config.load();
  if (which == "scale") return bench_scale(document, flags.scale);
  BenchOptions options = flags.options;
  options.cached = !flags.no_cache;
  options.parts = *flags.config.parts;
  options.device = flags.config.compute_device();
  if (which == "ops") {
    std::vector<Figure> figures = bench_ops(document, options, limits);
    for (Figure& figure : bench_operations(options)) figures.push_back(std::move(figure));
    return figures;
  }
  if (which == "modules") return bench_modules(document, options);
  if (which == "roofline") return bench_roofline(document, options, limits);
  if (which == "launches") return bench_launches(document, options);
  if (which == "model") return bench_model(document, options, flags.gpu);
  if (which == "scaling") return bench_scaling(document, options, flags.gpu);
  if (which == "inference") return bench_inference(document, options, limits);
  if (which == "loading") return bench_loading(document, options);
  if (which == "checkpoint")
    return bench_checkpoint(document, std::filesystem::temp_directory_path().string(), options.parts);
  return bench_training(document, options, limits);
}

void run(const std::string& which, const BenchFlags& flags) {
  const int threads = flags.config.prepare_device();
  const Device device = flags.config.compute_device();
  MachineLimits limits{.threads = threads};
  const bool counts = which == "launches" || which == "model" || which == "scaling";
  const bool unlimited = counts || which == "loading" || which == "checkpoint" || which == "scale";
  if (!unlimited && flags.only.empty()) limits = device.is_cpu() ? measure_machine() : measure_device(device);
  const std::vector<Figure> figures = figures_of(which, flags, limits);
  if (flags.json == "-") {
    fmt::print("{}", to_json(which, figures));
    return;
  }
  fmt::print("{}", to_table(figures));
  if (!flags.json.empty()) write_text_file(flags.json, to_json(which, figures));
}

}  // namespace

void add_bench(CLI::App& app, const Parts& parts) {
  auto flags = std::make_shared<BenchFlags>();
  CLI::App* command = app.add_subcommand("bench", "time the machine and the framework, each figure with its limit");
  command->require_subcommand(1);
  const std::pair<const char*, const char*> benches[] = {
      {"machine", "multiply-adds (a device: matrix products) in float32 and bfloat16, and memory bandwidth"},
      {"ops", "the convolutions that step 2 trains, each pass; forward and backward of the differentiable operations"},
      {"modules", "forward and backward of every outermost module in a training step"},
      {"roofline",
       "each primitive of a training step (hpa_step2_static) and its share of what arithmetic or memory allow"},
      {"step1", "whole training steps of step 1 (hpa_step1 unless --config says otherwise) on synthetic inputs"},
      {"step2", "whole training steps of step 2 (hpa_step2_static), features given as by a warm cache"},
      {"kernels", "what is bound by memory (normalisation, casts, sums, losses, optimizer), as bytes a second"},
      {"launches", "what a training step (hpa_step2_static) asks of a GPU: launches, waits, copies, allocations"},
      {"model", "the least time of a training step (hpa_step2_static) on a GPU that need not be here"},
      {"scaling", "what ranks of a training step (hpa_step2_static) say to one another, and what they wait for"},
      {"inference", "the whole network without gradients"},
      {"loading", "batches of the config's training lists (needs data)"},
      {"scale", "lists of a million records, a cache of 100 GB and 64 processes that read it, without the data"},
      {"checkpoint", "writing and reading a checkpoint"}};
  for (const auto& [name, what] : benches) {
    CLI::App* sub = command->add_subcommand(name, what);
    flags->config.add_to(*sub, parts);
    sub->add_option("--batch", flags->options.batch, "samples a step (default: the config's)")
        ->check(CLI::Range(1, 4096));
    sub->add_option("--repeats", flags->options.repeats, "timed runs; the fastest counts")->check(CLI::Range(1, 1000));
    sub->add_option("--json", flags->json, "also as JSON in this file; -: instead of the table");
    sub->add_option("--profile", flags->options.trace,
                    "print a profile of one more run and write its Chrome trace to this file");
    const bool is_modelled = std::string(name) == "model" || std::string(name) == "scaling";
    if (is_modelled || std::string(name) == "step2" || std::string(name) == "modules" ||
        std::string(name) == "roofline" || std::string(name) == "launches")
      sub->add_flag("--no-cache", flags->no_cache, "compute the features in every step");
    if (std::string(name) == "ops") {
      sub->add_option(
          "--only", flags->only,
          "just the operation of this name, or those whose name contains it; without the networks' convolutions");
      sub->add_flag("--processor-time", flags->options.processor_time,
                    "of the operations the processor's time, not the clock's: for a machine that others share");
    }
    if (std::string(name) == "scale") {
      sub->add_option("--records", flags->scale.records, "of the list")->check(CLI::Range(1, 100'000'000));
      sub->add_option("--features", flags->scale.features, "of the cache")->check(CLI::Range(1, 100'000'000));
      sub->add_option("--processes", flags->scale.processes, "that read the cache at once")->check(CLI::Range(1, 1024));
      sub->add_option("--folder", flags->scale.folder, "where lists and cache are made, and removed again")
          ->default_val(std::filesystem::temp_directory_path().string());
    }
    if (is_modelled)
      sub->add_option("--gpu", flags->gpu, "whose published rates are taken")->check(CLI::IsMember(modelled_gpus()));
    sub->callback([flags, which = std::string(name)] { run(which, *flags); });
  }
}

}  // namespace bevgrad
