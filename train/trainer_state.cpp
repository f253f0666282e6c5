// Saving and restoring a trainer's state.
#include <algorithm>

#include "autograd/autograd.h"
#include "base/text_difference.h"
#include "configs/load.h"
#include "tensor/ops.h"
#include "train/network_state.h"
#include "train/trainer.h"

namespace bevgrad {
Checkpoint Trainer::checkpoint() {
  const std::map<std::string, StateDict> state = parallel_.whole_state(*optimizer_);
  Checkpoint checkpoint;
  if (!parallel_.is_first()) return checkpoint;
  checkpoint.state_dict = on_cpu(network_->state_dict());
  for (const auto& [kind, tensors] : state) checkpoint.optimizer[kind] = on_cpu(tensors);
  checkpoint.hyperparameters = optimizer_->hyperparameters();
  for (const OptimizedParameter& parameter : optimizer_->parameters()) checkpoint.optimized.push_back(parameter.name);
  checkpoint.optimizer_numbers = numbers_of(checkpoint.hyperparameters);
  checkpoint.optimizer_numbers["step"] = static_cast<double>(global_step_);
  checkpoint.optimizer_numbers["lr"] = lr_at(std::max<int64_t>(0, global_step_ - 1));
  checkpoint.optimizer_numbers.merge(guard_.state());
  if (average_ && !average_->empty()) {
    checkpoint.weight_average = on_cpu(average_->values());
    checkpoint.optimizer_numbers["average_updates"] = static_cast<double>(average_->updates());
  }
  checkpoint.validation = watch_.state();
  checkpoint.rng["trainer"] = {static_cast<int64_t>(generator_.seed()), static_cast<int64_t>(generator_.position())};
  for (size_t i = 0; i < sources_.size(); ++i)
    checkpoint.sampler[sources_[i].name()] = cached_.empty() ? sources_[i].state() : cached_[i]->state();
  checkpoint.global_step = global_step_;
  const BatchSource& first = sources_.front();
  const config::Train& train = document_.proto.train();
  const int64_t drawn = global_step_ * train.accumulate_grad_batches() * train.batch_size() * group_.size();
  checkpoint.epoch = drawn / std::max<int64_t>(1, first.cases());
  checkpoint.config = configs::to_text(document_.proto);
  return checkpoint;
}

RetentionRule Trainer::retention() const {
  const config::Train& train = document_.proto.train();
  return {train.keep_checkpoints(), train.checkpoint_max_age_hours(), watch_.best_steps()};
}

void Trainer::write(const Checkpoint& checkpoint, const RetentionRule& rule) const {
  save_checkpoint(work_dir_.checkpoint_file(checkpoint.global_step), checkpoint);
  work_dir_.prune_checkpoints(rule);
  if (options_.on_saved) options_.on_saved(checkpoint.global_step);
}

std::string Trainer::save(const Checkpoint& checkpoint) {
  owes_checkpoint_ = false;
  if (parallel_.is_first()) {
    writer_.finish();
    write(checkpoint, retention());
  }
  return work_dir_.checkpoint_file(global_step_);
}

void Trainer::save_beside() {
  if (parallel_.is_first() && writer_.is_idle()) {
    if (const std::string error = writer_.take_error(); !error.empty()) {
      const std::vector<std::string> saved = work_dir_.checkpoints();
      disk_.refused("checkpoint",
                    fmt::format("the run goes on, the last checkpoint is {}", saved.empty() ? "none" : saved[0]),
                    error);
    }
  }
  if (!owes_checkpoint_) return;
  bool begins = writer_.is_idle();
  // Where all ranks have a part in it, rank 0 says when.
  if (parallel_.shares_state()) begins = parallel_.broadcast(begins ? "now" : "") == "now";
  if (!begins) return;
  owes_checkpoint_ = false;
  Checkpoint copy = checkpoint();
  if (!parallel_.is_first()) return;
  // On the CPU these are the tensors of the training itself.
  const NoGradGuard no_grad;
  for (auto* state : {&copy.state_dict, &copy.weight_average})
    for (auto& [name, tensor] : *state) tensor = ops::clone(tensor);
  for (auto& [kind, tensors] : copy.optimizer)
    for (auto& [name, tensor] : tensors) tensor = ops::clone(tensor);
  writer_.start([this, rule = retention(), copy = std::move(copy)] { write(copy, rule); });
}

Trainer::ResumePoint Trainer::find_checkpoint() {
  ResumePoint found;
  if (options_.resume.empty()) return found;
  if (parallel_.is_first()) {
    if (options_.resume != "auto") {
      found = {options_.resume, load_checkpoint(options_.resume)};
    } else if (const std::vector<std::string> paths = work_dir_.checkpoints(); !paths.empty()) {
      const size_t index =
          load_newest_checkpoint(paths, found.checkpoint, [this](const std::string& message) { log_.warn(message); });
      // Damaged ones would be the first to be kept from here on.
      for (size_t i = 0; i < index; ++i) std::rename(paths[i].c_str(), (paths[i] + ".damaged").c_str());
      found.source = paths[index];
    }
  }
  found.source = parallel_.broadcast(found.source);
  return found;
}

void Trainer::resume(const std::string& source, Checkpoint found) {
  const Checkpoint checkpoint = parallel_.share(source, std::move(found));
  restore(checkpoint, source);
  if (!parallel_.is_first()) return;
  // After resuming from an explicit file, later checkpoints of the folder belong to an abandoned run: they must not be
  // taken for this run's newest.
  if (const std::vector<std::string> later = work_dir_.checkpoints();
      options_.resume != "auto" && !later.empty() && later.front() > work_dir_.checkpoint_file(global_step_))
    log_.warn(
        fmt::format("the work folder held later checkpoints; they are in {} now", work_dir_.set_checkpoints_aside()));
  log_.info(fmt::format("resumed from {} at step {}", source, global_step_));
}

void Trainer::restore(const Checkpoint& checkpoint, const std::string& source) {
  check(checkpoint.global_step >= 0 && checkpoint.global_step <= total_steps_,
        "{}: it stands at step {}, this config ends at {}", source, checkpoint.global_step, total_steps_);
  if (const std::string now = configs::to_text(document_.proto); !checkpoint.config.empty() && checkpoint.config != now)
    log_.warn(fmt::format("{}: the config has changed since: {}", source,
                          first_difference(checkpoint.config, now, "then", "now")));
  restore_state(network_->state_dict(), checkpoint.state_dict, source);
  // The phase and the freezing are those of the last step that was done: a change at this very step comes with it.
  global_step_ = std::max<int64_t>(0, checkpoint.global_step - 1);
  enter_phase();
  apply_freezing();
  global_step_ = checkpoint.global_step;
  try {
    optimizer_->load_state(checkpoint.optimizer);
  } catch (const Error& error) {
    fail("{}: {}", source, error.what());
  }
  const auto words = checkpoint.rng.find("trainer");
  check(words != checkpoint.rng.end() && words->second.size() == 2, "{}: it lacks the state of the random numbers",
        source);
  generator_ = Generator(static_cast<uint64_t>(words->second[0]), static_cast<uint64_t>(words->second[1]));
  watch_.restore(checkpoint.validation);
  guard_.restore(checkpoint.optimizer_numbers);
  if (average_ && checkpoint.weight_average.empty()) {
    log_.warn(fmt::format("{}: it has no average of the weights: a new one begins here", source));
  } else if (average_) {
    const auto updates = checkpoint.optimizer_numbers.find("average_updates");
    average_->load(checkpoint.weight_average,
                   updates == checkpoint.optimizer_numbers.end() ? 0 : static_cast<int64_t>(updates->second),
                   network_->state_dict(), source);
  }
  refill_history(checkpoint.sampler);
}

void Trainer::warn_of_change(const BatchSource& source) {
  if (source.change().empty()) return;
  log_.warn(fmt::format("another number of ranks than before: {} ({} data); the learning rate's factor is {:.4g}",
                        source.change(), source.name(), lr_factor_));
}

void Trainer::refill_history(const std::map<std::string, std::vector<int64_t>>& sampler) {
  for (size_t i = 0; i < sources_.size(); ++i) {
    BatchSource& source = sources_[i];
    const auto found = sampler.find(source.name());
    check(found != sampler.end(), "the checkpoint lacks the position of the {} sampler: is it of another config?",
          source.name());
    if (!cached_.empty()) {
      cached_[i]->restore(found->second);
      warn_of_change(source);
      continue;
    }
    if (!history_ || !source.has_history()) {
      source.restore(found->second);
      warn_of_change(source);
      continue;
    }
    // The queue is not saved: features of a frozen encoder are made again from the batches that filled it.
    const NamedTensors trained = trainable_parameters(*network_);
    const bool is_frozen = std::none_of(trained.begin(), trained.end(),
                                        [&](const auto& entry) { return network_->is_encoder(entry.first); });
    if (!is_frozen) {
      log_.warn(
          "the encoder is trained: the history is made anew with its weights of now, so that this run differs "
          "slightly from an unbroken one");
      network_->set_training(false);
    }
    const int64_t back = source.restore(found->second, history_->options().max_capacity);
    warn_of_change(source);
    for (int64_t frame = 0; frame < back; ++frame) {
      const NoGradGuard no_grad;
      const Batch batch = source.next();
      history_->remember(network_->encode(network_input(batch)).at(kBevFused), stream_frames(batch));
    }
    begin_training();
  }
}

}  // namespace bevgrad
