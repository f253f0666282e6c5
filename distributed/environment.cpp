#include "distributed/environment.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "base/error.h"

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

/// A port below those that the system hands out, the same for all processes of a job.
int port_of(const std::string& job) {
  uint32_t hash = 2166136261u;
  for (const char c : job) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return 20000 + static_cast<int>(hash % 12000);
}

/// The first host of Slurm's notation: "node[03-07,09],other" is node03.
std::string first_host(const std::string& list) {
  const size_t end = list.find_first_of(",[");
  if (end == std::string::npos || list[end] == ',') return list.substr(0, end);
  const size_t close = list.find_first_of(",-]", end);
  if (close == std::string::npos)
    throw UsageError(fmt::format("environment variable SLURM_STEP_NODELIST is \"{}\", expected a list of hosts", list));
  const size_t after = list.find(']', end);
  const size_t suffix_end = list.find(',', after);
  return list.substr(0, end) + list.substr(end + 1, close - end - 1) +
         (after == std::string::npos ? "" : list.substr(after + 1, suffix_end - after - 1));
}

/// Tasks of one node by Slurm's notation: "2(x3),1" is 2, 2, 2, 1.
int tasks_of_node(const std::string& list, int node) {
  size_t at = 0;
  for (int first = 0; at < list.size();) {
    const size_t end = std::min(list.find(',', at), list.size());
    int tasks = 0, times = 1;
    const char* last = list.data() + end;
    const auto [next, code] = std::from_chars(list.data() + at, last, tasks);
    if (code == std::errc() && next + 2 < last && next[0] == '(' && next[1] == 'x')
      std::from_chars(next + 2, last, times);
    if (code != std::errc() || tasks < 1 || times < 1)
      throw UsageError(
          fmt::format("environment variable SLURM_STEP_TASKS_PER_NODE is \"{}\", expected numbers of tasks", list));
    first += times;
    if (node < first) return tasks;
    at = end + 1;
  }
  return 1;
}

/// Where the ranks of a launcher that has no rendezvous of its own meet.
void choose_meeting_point(RankEnvironment& environment, const GetVariable& get, const std::string& first_machine,
                          const std::string& job) {
  const bool one_machine = environment.local_world_size == environment.world_size;
  if (environment.master_addr.empty()) environment.master_addr = one_machine ? "127.0.0.1" : first_machine;
  if (environment.master_port == 0 && !job.empty()) environment.master_port = port_of(job);
  std::vector<const char*> missing;
  if (environment.master_addr.empty()) missing.push_back("MASTER_ADDR");
  if (environment.master_port == 0) missing.push_back("MASTER_PORT");
  if (!missing.empty() && environment.world_size > 1)
    throw UsageError(fmt::format(
        "environment: {} is not set, expected the address of the first machine and a free port of it under {}",
        fmt::join(missing, " and "), environment.launcher));
  if (get("TORCHELASTIC_RUN_ID")) environment.run_id = *get("TORCHELASTIC_RUN_ID");
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
    const bool is_local_known = get("LOCAL_RANK") || get("LOCAL_WORLD_SIZE");
    std::vector<const char*> names = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"};
    if (is_local_known) names.insert(names.begin() + 2, {"LOCAL_RANK", "LOCAL_WORLD_SIZE"});
    require_all(get, names, "torchrun");
    const GetVariable with_local = [&get](const std::string& name) -> std::optional<std::string> {
      if (name == "LOCAL_RANK") return "0";
      if (name == "LOCAL_WORLD_SIZE") return "1";
      return get(name);
    };
    RankEnvironment environment = read_variables(is_local_known ? get : with_local, kTorchrun);
    environment.is_alone_on_its_machine = !is_local_known;
    if (environment.master_addr.empty())
      throw UsageError("environment variable MASTER_ADDR is empty, expected the address of the first machine");
    const std::string agent = get("TORCHELASTIC_USE_AGENT_STORE").value_or("");
    if (agent != "" && agent != "True" && agent != "False")
      throw UsageError(fmt::format(
          "environment variable TORCHELASTIC_USE_AGENT_STORE is \"{}\", expected \"True\" or \"False\"", agent));
    environment.use_agent_store = agent == "True";
    environment.run_id = get("TORCHELASTIC_RUN_ID").value_or("none");
    if (get("TORCHELASTIC_RESTART_COUNT"))
      environment.restart_count = parse_number(get, "TORCHELASTIC_RESTART_COUNT", 0, 1 << 20);
    return environment;
  }
  if (get(kOpenMpi.rank) || get(kOpenMpi.world_size)) {
    require_all(get, {kOpenMpi.rank, kOpenMpi.world_size, kOpenMpi.local_rank, kOpenMpi.local_world_size}, "Open MPI");
    RankEnvironment environment = read_variables(get, kOpenMpi);
    const std::string job = get("PMIX_NAMESPACE").value_or(get("OMPI_MCA_ess_base_jobid").value_or(""));
    choose_meeting_point(environment, get, "", job);
    return environment;
  }
  // Inside an allocation every shell has SLURM_NTASKS; only a task that srun started has its step's process id.
  if (get("SLURM_STEP_ID") && get(kSlurm.rank)) {
    // SLURM_NTASKS and SLURM_NTASKS_PER_NODE may be the allocation's: the step's come first.
    Variables names = kSlurm;
    if (get("SLURM_STEP_NUM_TASKS")) names.world_size = "SLURM_STEP_NUM_TASKS";
    const std::optional<std::string> tasks = get("SLURM_STEP_TASKS_PER_NODE");
    require_all(get, {names.rank, names.world_size, names.local_rank}, "Slurm");
    RankEnvironment environment = read_variables(
        [&](const std::string& name) { return tasks && name == names.local_world_size ? std::nullopt : get(name); },
        names);
    if (tasks)
      environment.local_world_size =
          tasks_of_node(*tasks, get("SLURM_NODEID") ? parse_number(get, "SLURM_NODEID", 0, 1 << 20) : 0);
    const std::string hosts = get("SLURM_STEP_NODELIST").value_or(get("SLURM_JOB_NODELIST").value_or(""));
    const std::string job = get("SLURM_JOB_ID").value_or("");
    choose_meeting_point(environment, get, first_host(hosts), job.empty() ? "" : job + "." + *get("SLURM_STEP_ID"));
    return environment;
  }
  return {};
}

RankEnvironment read_rank_environment() {
  return read_rank_environment([](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
}

std::string odd_threads(int threads, const RankEnvironment& environment, int cores, const GetVariable& get) {
  const int64_t all = static_cast<int64_t>(threads) * environment.local_world_size;
  if (all <= std::max(cores, environment.local_world_size)) return "";  // fewer than one thread a rank cannot be
  const auto variable = get("OMP_NUM_THREADS");
  return fmt::format(
      "{} rank(s) on this machine with {} threads each have {} threads on {} core(s) and will get in one another's "
      "way{}; give fewer ranks, or --threads",
      environment.local_world_size, threads, all, cores,
      variable && *variable == std::to_string(threads) ? fmt::format(" (OMP_NUM_THREADS={})", *variable) : "");
}

int threads_per_rank(int wanted, const RankEnvironment& environment, int cores, const GetVariable& get) {
  if (wanted > 0) return wanted;
  const bool forced_by_torchrun = environment.launcher == "torchrun" && environment.local_world_size > 1 &&
                                  get("OMP_NUM_THREADS").value_or("") == "1";
  if (get("OMP_NUM_THREADS") && !forced_by_torchrun) return parse_number(get, "OMP_NUM_THREADS", 1, 4096);
  return std::max(1, cores / environment.local_world_size);
}

}  // namespace bevgrad
