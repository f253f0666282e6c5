// What a step's batches are run on, and the first of the two passes over them where several make up one step.
#include <fmt/format.h>

#include <utility>

#include "tasks/losses.h"
#include "tensor/ops.h"
#include "train/network_state.h"
#include "train/trainer.h"

namespace bevgrad {

Trainer::Prepared Trainer::prepare(size_t source) {
  Prepared prepared;
  if (cached_.empty()) {
    prepared.batch = sources_[source].next();
  } else {
    PreparedBatch cached = cached_[source]->next(generator_);
    generator_ = cached.generator;
    prepared.batch = std::move(cached.batch);
    prepared.bev_fused = cached.bev_fused;
    if (sources_[source].has_history()) prepared.history = std::move(cached.history);
  }
  phase_done("data", StepPart::Data);
  return prepared;
}

NetworkOutput Trainer::run_network(size_t source, Prepared& prepared) {
  NetworkOutput output;
  if (prepared.bev_fused.defined()) {
    output.set(kBevFused, prepared.bev_fused, "feature cache");
    network_->decode(output, prepared.history.value_or(History()));
    return output;
  }
  output = network_->encode(network_input(prepared.batch));
  if (!network_->graph_problem().empty() && !std::exchange(told_obstacle_, true))
    log_.warn(fmt::format("train.cuda_graphs: frozen backbones are not run as a graph: {}", network_->graph_problem()));
  if (!history_ || !sources_[source].has_history()) {
    network_->decode(output);
    return output;
  }
  if (prepared.history) {
    network_->decode(output, *prepared.history);
  } else {
    prepared.history = history_->play(*network_, output, stream_frames(prepared.batch), &generator_);
  }
  return output;
}

std::string Trainer::recording_obstacle(size_t source) {
  if (group_.size() > 1) return "there are several ranks";
  if (document_.proto.train().accumulate_grad_batches() > 1) return "gradients are accumulated";
  if (sources_.size() > 1) return "a step has several batches";
  if (!document_.proto.temporal().debug_dir().empty()) return "temporal.debug_dir is set";
  const std::string found = StepGraph::obstacle(*network_, sources_[source].tasks());
  return found.empty() ? step_graph_.problem() : found;
}

bool Trainer::train_recorded(size_t source, Prepared& prepared, std::optional<QueuedBatch>& last) {
  if (!prepared.bev_fused.defined() || !StepGraph::is_wanted(*network_) || budget_->is_measuring()) return false;
  std::string obstacle = recording_obstacle(source);
  std::optional<StepGraph::Result> result;
  if (obstacle.empty()) {
    result = step_graph_.run(*network_, prepared.bev_fused, prepared.history.value_or(History()), prepared.batch,
                             sources_[source].tasks(), optimizer_->parameters());
    obstacle = step_graph_.problem();
  }
  if (!obstacle.empty() && !std::exchange(told_obstacle_, true))
    log_.warn(fmt::format("train.cuda_graphs: steps are launched one by one, not as a graph: {}", obstacle));
  if (!result) return false;
  last = QueuedBatch{{}, std::move(result->losses), std::move(prepared.batch.keys), 1, std::move(result->explain)};
  phase_done("recorded", StepPart::Forward);
  return true;
}

std::vector<AccumulatedSums> Trainer::note_sums(std::vector<Prepared>& batches) {
  const NoGradGuard no_grad;
  // Running statistics are updated in the second pass alone.
  const NamedTensors buffers = network_->named_buffers();
  std::vector<Tensor> before;
  for (const auto& [name, buffer] : buffers) before.push_back(ops::clone(buffer));
  std::vector<AccumulatedSums> sums(
      sources_.size(), AccumulatedSums(parallel_.sync(), document_.proto.train().accumulate_grad_batches()));
  for (size_t i = 0; i < batches.size(); ++i) {
    const size_t source = i % sources_.size();
    const BatchSync noting = sums[source].noting();
    const BatchSyncGuard sync(&noting);
    compute_losses(run_network(source, batches[i]), batches[i].batch, sources_[source].tasks());
  }
  for (AccumulatedSums& sum : sums) sum.add_up();
  for (size_t i = 0; i < buffers.size(); ++i) ops::copy_(buffers[i].second, before[i]);
  phase_done("first pass", StepPart::Forward);
  return sums;
}

}  // namespace bevgrad
