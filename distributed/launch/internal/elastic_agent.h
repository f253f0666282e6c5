// The launcher of a run whose machines come and go.
#pragma once
#include "distributed/launch/agent.h"

namespace bevgrad {

/// Rounds of processes, one after another. Who can listen on the master address serves the store, is machine 0, and
/// says who takes part in a round: those that are there, `most_nodes` at most, in the order in which they came. Where a
/// machine comes or goes, all processes are stopped (they save, if they can) and the next round begins without it being
/// counted as a restart; where a process fails, with one. Without machine 0 the run ends. Returns as launch() does.
int launch_elastic(const LaunchOptions& options);

}  // namespace bevgrad
