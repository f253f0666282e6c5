// Who this process is among those that train together, read from what its launcher put into the environment.
#pragma once
#include <functional>
#include <optional>
#include <string>

namespace bevgrad {

struct RankEnvironment {
  int rank = 0;
  int world_size = 1;
  int local_rank = 0;
  int local_world_size = 1;
  /// Where the ranks meet. Under Open MPI and Slurm, where MASTER_ADDR and MASTER_PORT are not set: the first machine,
  /// and a port that follows from the job.
  std::string master_addr;
  int master_port = 0;
  /// A launcher's agent serves the store at master_addr:master_port; otherwise rank 0 does.
  bool use_agent_store = false;
  /// Tells runs that share a store apart, and the tries of one run.
  std::string run_id = "none";
  int restart_count = 0;
  /// "" (one process), "torchrun", "Open MPI" or "Slurm".
  std::string launcher;
  /// Nothing was said about the ranks of a machine (Kubernetes' PyTorchJob), so each has one to itself.
  bool is_alone_on_its_machine = false;
};

/// Returns the value of a variable, or nothing.
using GetVariable = std::function<std::optional<std::string>(const std::string&)>;

/// torchrun's variables (RANK, WORLD_SIZE, ...) first, without LOCAL_RANK and LOCAL_WORLD_SIZE those of a PyTorchJob,
/// else Open MPI's, else those of a Slurm step; none of them: one process. Throws UsageError naming the variables where
/// they are partly there, are no numbers, or contradict one another.
RankEnvironment read_rank_environment(const GetVariable& get);
/// The same from this process's environment.
RankEnvironment read_rank_environment();

/// What cannot be meant by the numbers of threads, as a sentence; "" where nothing is odd: all ranks of this machine
/// together have more threads than it has cores.
std::string odd_threads(int threads, const RankEnvironment& environment, int cores, const GetVariable& get);

/// Threads for one rank: `wanted` where it is above 0, else OMP_NUM_THREADS (which torchrun sets to 1 of its own accord
/// where there are several ranks: then it does not count), else this rank's share of the cores, at least 1.
int threads_per_rank(int wanted, const RankEnvironment& environment, int cores, const GetVariable& get);

}  // namespace bevgrad
