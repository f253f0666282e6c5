// Linear combinations of checkpoints: averages, weighted soups, moving averages, task arithmetic.
#pragma once
#include <string>
#include <vector>

#include "formats/state_dict.h"

namespace bevgrad {

struct MergedCheckpoint {
  CheckpointFile file;
  /// Parameters that are those of the first file, being no floating-point numbers (counters, masks).
  std::vector<std::string> kept;
};

/// Replaces the parameters of the first file by the sum over all files of weight times parameter, computed in double
/// while they are read, in the first file's dtype; of complex ones real and imaginary part. Everything beside the state
/// dict stays. Throws Error naming file and parameter where files do not have the same names and shapes, and where
/// floating-point numbers have 8 bits or fewer.
MergedCheckpoint merge_checkpoints(std::vector<CheckpointFile> files, const std::vector<double>& weights);

/// Weights of an exponential moving average over files in the order of training: decay^(n-1) of the first, then
/// (1 - decay) decay^(n-1-i).
std::vector<double> moving_average_weights(size_t count, double decay);

/// base + sum of scale times (task - base), for files {base, task, task, ...}.
std::vector<double> task_weights(size_t tasks, double scale);

}  // namespace bevgrad
