// The state of a training run in one file: model, optimizer, random numbers, the sampler's position. HDF5, laid out so
// that h5py reads it without this project:
//
//   /state_dict/<parameter name>                 flat names, in the model's order
//   /weight_average/<parameter name>             the moving average of the weights, where the run keeps one
//   /optimizer/<state>/<parameter name>          e.g. /optimizer/exp_avg/fuser.0.weight
//   /optimizer_numbers/<name>                    float64 scalars: the step, learning rates
//   /validation/<name>                           float64 scalars: the best value of the watched metric, since when
//   /rng, /sampler                               int64 words, one dataset a name
//   root attributes                              format, format_version, global_step, epoch, config, producer
//
// Files are written beside their place, synced and renamed, so that a checkpoint is there whole or not at all.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "formats/state_dict.h"
#include "optim/optimizer.h"
#include "tensor/tensor.h"

namespace bevgrad {

struct Checkpoint {
  /// Parameters and buffers in the model's order.
  StateDict state_dict;
  /// The moving average of the parameters and buffers; empty: the run keeps none.
  StateDict weight_average;
  /// Optimizer tensors: state name ("exp_avg", "exp_avg_sq") -> (parameter name, tensor), frozen parameters absent.
  std::map<std::string, StateDict> optimizer;
  /// Numbers of the optimizer and the schedule that are not tensors ("step" -> 1200).
  std::map<std::string, double> optimizer_numbers;
  /// What the optimizer says of itself, and the names of all parameters that it steps: for Lightning's dictionary
  /// alone.
  Hyperparameters hyperparameters = {};
  std::vector<std::string> optimized = {};
  /// What the watch on a metric keeps between validations; empty in files of before there was one.
  std::map<std::string, double> validation;
  /// Words of random number generators by name ("model", "rank0.loader").
  std::map<std::string, std::vector<int64_t>> rng;
  /// Words of the samplers' positions by name ("static", "dynamic").
  std::map<std::string, std::vector<int64_t>> sampler;
  int64_t global_step = 0;
  int64_t epoch = 0;
  /// The effective config, as text.
  std::string config;
  /// Filled by save: "bevgrad " and its version.
  std::string producer;
};

/// The same with the averaged weights in place of the weights, where there are such.
Checkpoint averaged(Checkpoint checkpoint);

/// Writes `path` atomically. Throws Error naming the path (a full disk, say); what was there before stays as it was.
void save_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Reads and checks the whole file. Throws Error naming the path and what is damaged.
Checkpoint load_checkpoint(const std::string& path);

/// Reads the newest intact one of `paths` (newest first). Damaged ones are told to `warn` by name and passed over;
/// throws where none is intact. Returns the index of the one that was read.
size_t load_newest_checkpoint(const std::vector<std::string>& paths, Checkpoint& checkpoint,
                              const std::function<void(const std::string&)>& warn);

/// Writes PyTorch Lightning's dictionary in PyTorch's zip format: epoch, global_step, pytorch-lightning_version,
/// state_dict, loops, callbacks, optimizer_states (as torch.optim's class of the same name has them, by parameter
/// index), lr_schedulers, hyper_parameters {config}. `torch.load(weights_only=True)` opens it. Atomic.
void save_lightning_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// The numbers among an optimizer's hyperparameters by name; those of a tuple are counted from 1 ("betas" -> "beta1",
/// "beta2").
std::map<std::string, double> numbers_of(const Hyperparameters& hyperparameters);

}  // namespace bevgrad
