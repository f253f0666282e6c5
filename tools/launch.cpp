// bevgrad launch: the processes of a run on this machine.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <thread>

#include "base/error.h"
#include "base/near_names.h"
#include "distributed/launch/agent.h"
#include "distributed/socket.h"
#include "subcommands.h"
#include "tensor/device.h"

namespace bevgrad {
namespace {

struct LaunchFlags {
  LaunchOptions options;
  std::string nproc = "1", nnodes = "1", endpoint, backend, redirects, tee, shown_ranks;
  bool standalone = false, no_python = false;
  bool address_given = false;
  double grace = 30, timeout = 300;
};

int whole_number(const std::string& flag, const std::string& text, int low, int high) {
  size_t used = 0;
  int value = -1;
  try {
    value = std::stoi(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || value < low || value > high)
    throw UsageError(
        fmt::format("{}: \"{}\" is not possible, expected a whole number from {} to {}", flag, text, low, high));
  return value;
}

/// Flags of torchrun that mean nothing here.
const std::vector<std::string> kNotOffered = {"--role",
                                              "--rdzv-conf",
                                              "--local-addr",
                                              "--monitor-interval",
                                              "--start-method",
                                              "--run-path",
                                              "--module",
                                              "-m",
                                              "--event-log-handler",
                                              "--logs-specs",
                                              "--numa-binding",
                                              "--virtual-local-rank",
                                              "--signals-to-handle",
                                              "--duplicate-stdout-filters",
                                              "--duplicate-stderr-filters"};

/// The parser stops at the first word that it does not know: it must be the program.
void check_program(const CLI::App& command, const std::vector<std::string>& words, bool has_separator) {
  if (words.empty()) return;
  std::string flag = words.front().substr(0, words.front().find('='));
  if (!flag.starts_with("-")) {
    if (has_separator) throw UsageError(fmt::format("launch: unexpected \"{}\" before --", words.front()));
    return;
  }
  std::string dashed = flag;
  std::replace(dashed.begin() + std::min<std::ptrdiff_t>(2, std::ssize(dashed)), dashed.end(), '_', '-');
  if (std::find(kNotOffered.begin(), kNotOffered.end(), dashed) != kNotOffered.end())
    throw UsageError(fmt::format("launch: torchrun's {} is not offered here (bevgrad launch --help)", flag));
  std::vector<std::string> names;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  throw UsageError(fmt::format("launch: unknown flag {}{} (bevgrad launch --help)", flag, did_you_mean(flag, names)));
}

int processes_here(const std::string& text) {
  const int devices = cuda_device_count(), cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (text == "gpu" && devices == 0)
    throw UsageError(fmt::format("--nproc-per-node gpu: there is none: {}", cuda_problem()));
  if (text == "gpu" || (text == "auto" && devices > 0)) return devices;
  return text == "auto" || text == "cpu" ? cores : whole_number("--nproc-per-node", text, 1, 4096);
}

void run(LaunchFlags& flags, const CLI::App& command, const std::vector<std::string>& program) {
  LaunchOptions& options = flags.options;
  const std::vector<std::string> rest = command.remaining();
  check_program(command, rest, !program.empty());
  options.command = program.empty() ? rest : program;
  options.nproc_per_node = processes_here(flags.nproc);
  const size_t colon = flags.nnodes.find(':');
  options.nnodes = whole_number("--nnodes", flags.nnodes.substr(0, colon), 1, 65536);
  options.most_nodes = options.nnodes;
  if (colon != std::string::npos)
    options.most_nodes = whole_number("--nnodes", flags.nnodes.substr(colon + 1), options.nnodes, 65536);
  const bool is_elastic = options.most_nodes > options.nnodes;
  if (is_elastic) options.node_rank = 0;
  if (options.node_rank < 0 || options.node_rank >= options.nnodes)
    throw UsageError(fmt::format("--node-rank: {} is not possible with {} machine(s), expected 0 to {}",
                                 options.node_rank, options.nnodes, options.nnodes - 1));
  if (!flags.backend.empty() && flags.backend != "static" && flags.backend != "c10d")
    throw UsageError(fmt::format("--rdzv-backend: \"{}\" is not offered, expected static or c10d", flags.backend));
  if (flags.standalone && options.most_nodes > 1) throw UsageError("--standalone: only one machine stands alone");
  if (!flags.endpoint.empty()) {
    const bool has_port = flags.endpoint.rfind(':') != std::string::npos && flags.endpoint.back() != ']';
    try {
      const Endpoint endpoint = parse_endpoint(has_port ? flags.endpoint : flags.endpoint + ":29400");
      options.master_addr = endpoint.host;
      options.master_port = endpoint.port;
    } catch (const Error& error) {
      throw UsageError(fmt::format("--rdzv-endpoint: {}", error.what()));
    }
  }
  if (options.most_nodes > 1 && flags.endpoint.empty() && command.count("--master-addr") == 0)
    throw UsageError("--master-addr is missing: with several machines it names the first one");
  // One machine alone needs no fixed port: another run may be on it.
  if (options.most_nodes == 1 && (flags.standalone || (flags.endpoint.empty() && command.count("--master-port") == 0)))
    options.master_port = 0;
  options.grace = std::chrono::milliseconds(static_cast<int64_t>(flags.grace * 1000));
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(flags.timeout * 1000));
  options.redirects = StreamChoice("--redirects", flags.redirects);
  options.tee = StreamChoice("--tee", flags.tee);
  options.shown_ranks = parse_ranks("--local-ranks-filter", flags.shown_ranks);
  // A folder alone means everything, there and on the console; streams alone want some folder.
  if (!options.log_dir.empty() && command.count("--redirects") + command.count("--tee") == 0)
    options.tee = StreamChoice("--tee", "3");
  if (options.log_dir.empty() && (!options.redirects.is_empty() || !options.tee.is_empty()))
    options.log_dir = (std::filesystem::temp_directory_path() / "bevgrad-logs").string();
  if (options.command.empty()) throw UsageError("launch: nothing to run, expected -- PROGRAM ARGUMENTS...");
  if (const int status = launch(options); status != 0) throw CLI::RuntimeError(status);
}

}  // namespace

void add_launch(CLI::App& app, const std::vector<std::string>& program) {
  auto flags = std::make_shared<LaunchFlags>();
  CLI::App* command =
      app.add_subcommand("launch", "start the processes of a run: launch [flags] -- PROGRAM ARGUMENTS...");
  LaunchOptions& options = flags->options;
  command->add_option(
      "--nproc-per-node,--nproc_per_node", flags->nproc,
      "processes on this machine; gpu: one a GPU, cpu: one a core, auto: the first where there are GPUs");
  command->add_option("--nnodes", flags->nnodes, "machines; MIN:MAX: as many as are there, which may join and leave");
  command->add_option("--node-rank,--node_rank", options.node_rank, "which of them this is, from 0 (not with MIN:MAX)");
  command->add_option("--master-addr,--master_addr", options.master_addr, "an address of the first machine");
  command
      ->add_option("--master-port,--master_port", options.master_port,
                   "a port of it; with one machine any free one is taken unless this is given")
      ->check(CLI::Range(1, 65535));
  command->add_option("--rdzv-endpoint,--rdzv_endpoint", flags->endpoint, "both, as host:port");
  command->add_option("--rdzv-backend,--rdzv_backend", flags->backend, "static or c10d; both mean the same here");
  command->add_option("--rdzv-id,--rdzv_id", options.run_id, "tells runs apart");
  command->add_flag("--standalone", flags->standalone, "one machine, any free port");
  command->add_flag("--no-python,--no_python", flags->no_python,
                    "taken for torchrun's sake: programs are run as they are");
  command
      ->add_option("--max-restarts,--max_restarts", options.max_restarts,
                   "how often all processes are started again after one has failed; bevgrad run then goes on from its "
                   "newest checkpoint")
      ->check(CLI::Range(0, 1000000));
  command->add_option("--log-dir,--log_dir", options.log_dir,
                      "write each process's output to files below it too: ID_x/attempt_N/LOCAL_RANK/stdout.log");
  command->add_option(
      "-r,--redirects", flags->redirects,
      "what goes to those files alone: 1 standard output, 2 standard error, 3 both; or 0:3,1:1 by rank");
  command->add_option("-t,--tee", flags->tee, "what goes to files and console, in the same way");
  command->add_option("--local-ranks-filter,--local_ranks_filter", flags->shown_ranks,
                      "only these local ranks write to the console: 0,1");
  command->add_option("--grace", flags->grace, "seconds that processes have to stop before they are killed")
      ->check(CLI::Range(0.0, 1e6));
  command->add_option("--timeout", flags->timeout, "seconds that machines wait for one another")
      ->check(CLI::Range(0.1, 1e6));
  command->prefix_command();
  command->callback([flags, command, &program] { run(*flags, *command, program); });
}

}  // namespace bevgrad
