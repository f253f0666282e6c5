// Parts of a forward pass that do not depend on one another: what they sum over the processes of a batch travels
// together.
#pragma once
#include <functional>
#include <vector>

namespace bevgrad {

/// Runs the branches in their order; none may need what another computes. Where the batch is spread over processes
/// (autograd/batch_sync.h) they take turns on this thread: each goes on until it waits for a sum over the processes,
/// and when all have come that far (or to their end), one message brings the sums of all. The backward pass does the
/// same of itself (autograd/internal/late_sums.h). A branch may have branches.
void run_branches(const std::vector<std::function<void()>>& branches);

}  // namespace bevgrad
