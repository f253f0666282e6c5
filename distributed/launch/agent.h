// `bevgrad launch`: starts the processes of a run on this machine, watches them, and starts them again where that was
// asked for. The machines' launchers meet at a store that the first one serves, and that the processes use too.
#pragma once
#include <chrono>
#include <string>
#include <vector>

namespace bevgrad {

struct LaunchOptions {
  int nproc_per_node = 1;
  int nnodes = 1;
  int node_rank = 0;
  std::string master_addr = "127.0.0.1";
  /// 0 (with one machine): any free port.
  int master_port = 29500;
  int max_restarts = 0;
  std::string run_id = "none";
  /// "": output goes to the console alone. Else also into FOLDER/attempt_<n>/rank<r>.out and .err.
  std::string log_dir;
  /// How long processes that were told to stop may take, and how long launchers wait for one another.
  std::chrono::milliseconds grace{30000};
  std::chrono::milliseconds timeout{300000};
  std::vector<std::string> command;
};

/// Returns when all is over: 0 where every process of every machine ended with 0, else the status of the one that
/// failed first on this machine (128 + signal), or 1 where it was on another. SIGINT and SIGTERM are passed on; the
/// status is then 130 or 143. A process that ends with another status than 0 ends all; with `max_restarts` left, all
/// are started again (unless it was 2, a mistake in the call), with TORCHELASTIC_RESTART_COUNT one higher.
int launch(const LaunchOptions& options);

}  // namespace bevgrad
