#include "train/distributed/environment.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "tensor/error.h"

namespace bevgrad {
namespace {

/// Names that one launcher uses for the same four numbers.
struct Variables {
  const char* launcher;
  const char* rank;
  const char* world_size;
  const char* local_rank;
  const char* local_world_size;
};

constexpr Variables kTorchrun = {"torchrun", "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"};
constexpr Variables kOpenMpi = {"Open MPI", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
                                "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"};
constexpr Variables kSlurm = {"Slurm", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NTASKS_PER_NODE"};

int parse_number(const GetVariable& get, const char* name, int low, int high) {
  const std::string text = get(name).value_or("");
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < low || value > high)
    throw UsageError(
        fmt::format("environment variable {} is \"{}\", expected a whole number from {} to {}", name, text, low, high));
  return value;
}

void require_all(const GetVariable& get, const std::vector<const char*>& names, const char* launcher) {
  std::vector<std::string> missing, there;
  for (const char* name : names) (get(name) ? there : missing).push_back(name);
  if (!missing.empty())
    throw UsageError(fmt::format("environment: {} is set but {} is not, expected all of {}'s variables or none",
                                 fmt::join(there, ", "), fmt::join(missing, ", "), launcher));
}

RankEnvironment read_variables(const GetVariable& get, const Variables& names) {
  constexpr int most = 1 << 20;
  RankEnvironment environment;
  environment.launcher = names.launcher;
  environment.world_size = parse_number(get, names.world_size, 1, most);
  environment.rank = parse_number(get, names.rank, 0, environment.world_size - 1);
  environment.local_rank = parse_number(get, names.local_rank, 0, environment.world_size - 1);
  if (get(names.local_world_size)) {
    environment.local_world_size = parse_number(get, names.local_world_size, 1, environment.world_size);
    // torchrun --virtual-local-rank gives every worker the local rank 0, so only the upper bound can be judged.
    if (environment.local_rank >= environment.local_world_size)
      throw UsageError(fmt::format("environment variable {} is {}, expected below {} = {}", names.local_rank,
                                   environment.local_rank, names.local_world_size, environment.local_world_size));
  }
  if (get("MASTER_ADDR")) environment.master_addr = *get("MASTER_ADDR");
  if (get("MASTER_PORT")) environment.master_port = parse_number(get, "MASTER_PORT", 1, 65535);
  return environment;
}

}  // namespace

RankEnvironment read_rank_environment(const GetVariable& get) {
  if (get("RANK") || get("WORLD_SIZE") || get("LOCAL_RANK") || get("LOCAL_WORLD_SIZE")) {
    require_all(get, {"RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"},
                "torchrun");
    return read_variables(get, kTorchrun);
  }
  if (get(kOpenMpi.rank) || get(kOpenMpi.world_size)) {
    require_all(get, {kOpenMpi.rank, kOpenMpi.world_size, kOpenMpi.local_rank, kOpenMpi.local_world_size}, "Open MPI");
    return read_variables(get, kOpenMpi);
  }
  // Inside an allocation every shell has SLURM_NTASKS; only a task that srun started has its step's process id.
  if (get("SLURM_STEP_ID") && get(kSlurm.rank)) {
    require_all(get, {kSlurm.rank, kSlurm.world_size, kSlurm.local_rank}, "Slurm");
    return read_variables(get, kSlurm);
  }
  return {};
}

RankEnvironment read_rank_environment() {
  return read_rank_environment([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
}

int threads_per_rank(int wanted, const RankEnvironment& environment, int cores, const GetVariable& get) {
  if (wanted > 0) return wanted;
  const bool forced_by_torchrun = environment.launcher == "torchrun" && environment.local_world_size > 1 &&
                                  get("OMP_NUM_THREADS").value_or("") == "1";
  if (get("OMP_NUM_THREADS") && !forced_by_torchrun) return parse_number(get, "OMP_NUM_THREADS", 1, 4096);
  return std::max(1, cores / environment.local_world_size);
}

}  // namespace bevgrad
