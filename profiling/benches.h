// The sub-benches of `bevgrad bench`: each gives figures, with their share of what the machine could do.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "configs/document.h"
#include "profiling/figures.h"
#include "profiling/machine_limits.h"
#include "tensor/device.h"
#include "train/parts.h"

namespace bevgrad {

struct BenchOptions {
  int64_t batch = 0;  ///< 0: the config's
  int repeats = 3;    ///< timed runs, after one that warms up; figures are of the fastest
  /// step2: fused features are given, as a warm cache gives them; else they are computed in every step.
  bool cached = true;
  /// A Chrome trace of one more run is written there, and the tables of its profile are printed.
  std::string trace;
  /// bench_operations: the processor's time instead of the clock's.
  bool processor_time = false;
  /// Where it computes.
  Device device = {};
  /// What the config's names of parts stand for.
  Parts parts = standard_parts();
};

/// The limits themselves, named after what was measured on `device`.
std::vector<Figure> bench_machine(const MachineLimits& limits, Device device = {});
/// Every pass of the convolutions that step 2 trains.
std::vector<Figure> bench_ops(const configs::Document& document, const BenchOptions& options,
                              const MachineLimits& limits);
/// Forward and backward of the operation that is called `only`, or else of those whose name contains it, of the table
/// in internal/operation_cases.h, and `add_of_four`: what one recorded operation costs beyond its elements.
std::vector<Figure> bench_operations(const BenchOptions& options, const std::string& only = "");
/// Forward and backward of every outermost module in one training step.
std::vector<Figure> bench_modules(const configs::Document& document, const BenchOptions& options);
/// Each primitive of a training step, by module, with its share of what arithmetic or memory allow at best: those that
/// make 90 % of the time, the longest first. A Winograd convolution, of which the products of the definition are
/// counted, may have more than all. An operation without kernels counts the bytes of its result alone.
std::vector<Figure> bench_roofline(const configs::Document& document, const BenchOptions& options,
                                   const MachineLimits& limits);
/// Whole training steps of the config on synthetic inputs: forward, loss, backward, optimizer.
std::vector<Figure> bench_training(const configs::Document& document, const BenchOptions& options,
                                   const MachineLimits& limits);
/// Kernels that are bound by memory, each as bytes a second beside the rate of a copy.
std::vector<Figure> bench_kernels(const BenchOptions& options, const MachineLimits& limits);
/// What one training step asks of a GPU, part by part: launches, waits, copies, allocations. The same on every GPU.
std::vector<Figure> bench_launches(const configs::Document& document, const BenchOptions& options);
/// The least time that a training step can take on a GPU of this name (modelled_gpus()), by its published rates; with a
/// device, also what the host's work for the counted launches leaves of it.
std::vector<Figure> bench_model(const configs::Document& document, const BenchOptions& options, const std::string& gpu);
std::vector<std::string> modelled_gpus();
/// What ranks say to one another in a step, counted; and by a formula what 8, 64 and 512 of them wait for, beside the
/// least time of a step (bench_model).
std::vector<Figure> bench_scaling(const configs::Document& document, const BenchOptions& options,
                                  const std::string& gpu);
/// The whole network without gradients.
std::vector<Figure> bench_inference(const configs::Document& document, const BenchOptions& options,
                                    const MachineLimits& limits);
/// Batches of the config's training lists, with and without pictures and points.
std::vector<Figure> bench_loading(const configs::Document& document, const BenchOptions& options);
/// Writing and reading a checkpoint of the network, in `folder`.
std::vector<Figure> bench_checkpoint(const configs::Document& document, const std::string& folder,
                                     const Parts& parts = standard_parts());

}  // namespace bevgrad
