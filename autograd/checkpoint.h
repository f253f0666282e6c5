// Trading time for memory: a stretch of the network that keeps only its inputs and is computed again in the backward
// pass (Chen et al., "Training deep nets with sublinear memory cost", 2016).
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "autograd/autograd.h"

namespace bevgrad {

/// f(inputs), of which only the inputs are saved. `parameters` are the leaves that f uses besides its inputs; all of
/// them get a gradient, of zeros where f does not use one after all. f must give the same result both times: a write to
/// an input or parameter in between is found, one to another tensor that f reads is not. Autocast is as it was in the
/// first run, dropout drops the same elements, and batch normalisation takes the first run's statistics, which alone
/// move the running ones. The gradients have the bits of those without a checkpoint: the second run takes the stretch's
/// place in the tape.
Tensor checkpoint(const std::function<Tensor(const std::vector<Tensor>&)>& f, const std::vector<Tensor>& inputs,
                  const std::vector<Tensor>& parameters = {});

/// What a random function (dropout) draws first: the seed of everything else it draws. In the second run of a
/// checkpointed stretch it gives what the first run gave, call by call, and draws nothing.
uint64_t replayed_draw(const std::function<uint64_t()>& draw);

/// The same of a function of the batch that must be computed once only: because it changes something, or other
/// processes take part.
std::vector<Tensor> computed_once(const std::function<std::vector<Tensor>()>& compute);

/// Whether this thread is inside the second run of a checkpointed stretch.
bool is_recomputing();

}  // namespace bevgrad
