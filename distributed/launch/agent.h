// `bevgrad launch`: starts the processes of a run on this machine, watches them, and starts them again where that was
// asked for. The machines' launchers meet at a store that the first one serves, and that the processes use too.
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "distributed/launch/output_choice.h"

namespace bevgrad {

struct LaunchOptions {
  int nproc_per_node = 1;
  /// Machines. Where `most_nodes` is more, the least of them: machines may join and leave then, `node_rank` means
  /// nothing, and who has the address of `master_addr` serves the store.
  int nnodes = 1, most_nodes = 1;
  int node_rank = 0;
  std::string master_addr = "127.0.0.1";
  /// 0 (with one machine): any free port.
  int master_port = 29500;
  int max_restarts = 0;
  std::string run_id = "none";
  /// A folder for logs, "" for none: <run id>_<number>/attempt_<n>/<local rank>/stdout.log and stderr.log below it, as
  /// torchrun lays them out. A stream that `redirects` names goes there alone, one that `tee` names to the console too,
  /// any other to the console. Of the console's, those of `shown_ranks` (local ones; none: of all).
  std::string log_dir;
  StreamChoice redirects, tee;
  std::vector<int> shown_ranks;
  /// How long processes that were told to stop may take, and how long launchers wait for one another.
  std::chrono::milliseconds grace{30000};
  std::chrono::milliseconds timeout{300000};
  std::vector<std::string> command;
};

/// Returns when all is over: 0 where every process of every machine ended with 0, else the status of the one that
/// failed first on this machine (128 + signal), or 1 where it was on another. SIGINT and SIGTERM are passed on; the
/// status is then 130 or 143. SIGUSR1 and SIGUSR2 are passed on without a limit of time; processes that end by them
/// with 138 or 140 have not failed. A process that ends with another status than 0 ends all; with `max_restarts` left,
/// all are started again, with TORCHELASTIC_RESTART_COUNT one higher, unless the status was 2 (a mistake in the call),
/// or the failure comes again and the run has got no further (saved_step_key) in between (RepeatedFailure).
int launch(const LaunchOptions& options);

}  // namespace bevgrad
