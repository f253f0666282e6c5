// The validations within a training, and the best weights by them.
#include "base/signals.h"
#include "train/trainer.h"
#include "train/validator.h"

namespace bevgrad {
namespace {

std::string best_on_disk(const MetricWatch& watch) {
  return watch.best() ? fmt::format("{:.4f} after step {}", *watch.best(), watch.best_step()) : "none";
}

/// The network has the averaged weights while this lives.
class AveragedWeights {
 public:
  AveragedWeights(WeightAverage& average, Network& network) : average_(average), network_(network) {
    average_.swap(network_.state_dict());
  }
  ~AveragedWeights() { average_.swap(network_.state_dict()); }
  AveragedWeights(const AveragedWeights&) = delete;
  AveragedWeights& operator=(const AveragedWeights&) = delete;

 private:
  WeightAverage& average_;
  Network& network_;
};

}  // namespace

bool Trainer::owes_validation() const {
  const config::Train& train = document_.proto.train();
  if (train.val_interval() == 0 || global_step_ == 0 || watch_.last_step() == global_step_) return false;
  // The last weights have their chance to be the best ones too.
  if (global_step_ == total_steps_) return !train.checkpoint_metric().empty();
  return global_step_ % train.val_interval() == 0;
}

std::map<std::string, double> Trainer::validate_into(const std::string& folder, const std::string& tag) {
  Validator validator(document_, {.output_dir = work_dir_.file(folder), .disk = &disk_}, log_, group_, tasks_);
  std::map<std::string, double> headline = validator.run(*network_);
  begin_training();
  if (!records_) return headline;
  records_->add_pictures(global_step_, tag, validator.first_pictures());
  Scalars scalars;
  for (const auto& [name, value] : headline) scalars.emplace_back(tag + "/" + name, value);
  records_->add(global_step_, scalars);
  return headline;
}

void Trainer::validate_now() try {
  const std::string folder = fmt::format("val_{:08}", global_step_);
  std::map<std::string, double> headline = validate_into(folder, "val");
  if (average_ && !average_->empty()) {
    // The average is what will be used, so it is what is watched.
    const AveragedWeights averaged(*average_, *network_);
    headline = validate_into(folder + "_average", "val_average");
  }
  const MetricWatch before = watch_;
  const bool is_best = watch_.update(global_step_, headline);
  if (const std::string& metric = watch_.options().metric; !metric.empty() && !headline.contains(metric))
    log_.warn(fmt::format("step {}: {} is n/a in this validation", global_step_, metric));
  if (is_best) save_best(before);
  if (!watch_.best_steps().contains(global_step_)) return;
  // One of the best: a checkpoint of just these weights.
  writer_.finish();
  owes_checkpoint_ = true;
} catch (const Interrupted& interrupted) {
  // The validation is done again after the resume.
  begin_training();
  const std::string path = save();
  parallel_.barrier();
  throw Interrupted(interrupted.signal(),
                    fmt::format("stopped by {} in the validation after step {}; saved {}; go on with --resume auto",
                                stop_cause(interrupted.signal()), global_step_, path));
}

void Trainer::save_best(const MetricWatch& before) {
  const Checkpoint best = checkpoint();
  bool is_saved = true;
  if (parallel_.is_first()) {
    writer_.finish();  // one file at a time
    is_saved = disk_.attempt(
        "best checkpoint",
        fmt::format("the run goes on, the best weights on the disk are older: {}", best_on_disk(before)), [&] {
          save_checkpoint(work_dir_.best_checkpoint(), best);
          save_lightning_checkpoint(work_dir_.file("best.ckpt"), averaged(best));
        });
    if (is_saved)
      log_.info(fmt::format("step {}: {} {:.4f} is the best so far: {} and best.ckpt", global_step_,
                            watch_.options().metric, *watch_.best(), work_dir_.best_checkpoint()));
  }
  if (parallel_.broadcast(is_saved ? "saved" : "") != "saved") watch_.forget_best(before);
}

}  // namespace bevgrad
