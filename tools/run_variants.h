// The same run several times, with other seeds and other values of fields.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bevgrad {

struct RunVariant {
  std::string folder;             ///< its place in the work folder: "seed=1", "train.base_lr=1e-3,seed=1"
  std::vector<std::string> sets;  ///< laid over the config last
};

/// Every combination of the sweeps' values, and of each every seed. A sweep is "field=a,b,c". Throws UsageError for one
/// that is not, and for a seed or value that comes twice.
std::vector<RunVariant> run_variants(const std::vector<uint64_t>& seeds, const std::vector<std::string>& sweeps);

/// Starts this program with `arguments` once a variant, one after another, each with its own --work-dir and --set. One
/// that fails does not keep the others from running: the last line names those that failed, and the exit status is 1.
/// Throws CLI::RuntimeError then, and at once with the status of a run that a signal has ended.
void run_one_after_another(const std::vector<std::string>& arguments, const std::vector<RunVariant>& variants,
                           const std::string& work_dir);

}  // namespace bevgrad
