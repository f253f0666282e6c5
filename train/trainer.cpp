#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>
#include <utility>

#include "autograd/functions.h"
#include "base/files.h"
#include "base/signals.h"
#include "configs/load.h"
#include "internal/clock.h"
#include "internal/pace.h"
#include "nn/batch_norm.h"
#include "nn/skip_draws.h"
#include "optim/clip_grad_norm.h"
#include "optim/clip_value.h"
#include "tasks/task_evaluation.h"
#include "tensor/allocator.h"
#include "tensor/build_info.h"
#include "tensor/profile.h"
#include "tensor/read_scalars.h"
#include "train/class_balance.h"
#include "train/eight_bits.h"
#include "train/network_state.h"
#include "train/options/from_config.h"

namespace bevgrad {
namespace {

std::vector<std::pair<std::string, int64_t>> freeze_entries(const config::Train& train) {
  std::vector<std::pair<std::string, int64_t>> entries;
  for (const config::FreezeModule& entry : train.freeze_module_schedules())
    entries.emplace_back(entry.module(), entry.steps());
  return entries;
}

MetricWatchOptions watch_options(const config::Train& train) {
  return {train.checkpoint_metric(), train.checkpoint_mode() == config::Train::min, train.early_stop_patience(),
          train.keep_best_checkpoints()};
}

}  // namespace

Trainer::Trainer(const configs::Document& document, const TrainerOptions& options, ProcessGroup& group,
                 const Parts& parts)
    : document_(with_class_weights(document)),
      options_(options),
      group_(group),
      parallel_(group, document.proto.distributed()),
      work_dir_(options.work_dir, parallel_.is_first()),
      log_(parallel_.is_first() ? work_dir_.file("train.log") : "", options.quiet),
      disk_([this](const std::string& message) { log_.warn(message); }),
      generator_(document.proto.seed()),
      tasks_(parts.tasks, document_),
      optimizer_(make_optimizer(document, parts)),
      schedule_(make_lr_schedule(document, parts)),
      data_(document_, tasks_),
      watch_(watch_options(document.proto.train()), headline_names(tasks_)),
      guard_(document.proto.train().skip_loss_factor(), document.proto.train().max_skipped_steps()),
      pace_(std::make_unique<Pace>(parallel_)) {
  if (!parallel_.is_first()) log_.silence();
  const config::Config& proto = document_.proto;
  total_steps_ = proto.train().train_steps() + proto.train().finetune_steps();
  if (proto.train().lr_scaling() == config::Train::sqrt) lr_factor_ = std::sqrt(group.size() / 8.0);
  log_.info(fmt::format("config {}, work folder {}, {} rank(s), batch {} x {}", document.source, work_dir_.path(),
                        group.size(), group.size(), proto.train().batch_size()));
  if (!options_.device.is_cpu())
    log_.info(fmt::format("{}: {} (train.allow_tf32)", to_string(options_.device), arithmetic(options_.device)));
  for (const std::string& remark : data_.remarks()) log_.info(remark);
  data_.require_same(group_);
  if (parallel_.is_first()) write_config();

  ResumePoint from = find_checkpoint();
  {
    std::optional<init::SkipDraws> skip_draws;
    if (!from.source.empty()) skip_draws.emplace();  // the checkpoint has every value
    network_ =
        std::make_unique<Network>(configs::network_options(document_), generator_, network_parts(document_, parts));
  }
  network_->move_to(options_.device);
  set_eight_bits(*network_, document_, log_);
  begin_training();
  budget_ =
      std::make_unique<MemoryBudget>(*network_, proto.train().memory_budget_gb(),
                                     document_.place("train.memory_budget_gb") + ": field \"train.memory_budget_gb\"",
                                     [this](const std::string& line) { log_.info(line); });
  freezing_ = std::make_unique<FreezeSchedule>(*network_, freeze_entries(proto.train()), network_->switched_off());
  if (proto.tasks().enable_static_temporal())
    history_ = std::make_unique<HistoryPlayer>(configs::history_options(proto), proto.train().batch_size());
  if (proto.train().ema_decay() > 0) average_.emplace(proto.train().ema_decay());
  if (!from.source.empty()) {
    resume(from.source, std::move(from.checkpoint));
  } else {
    if (!options_.resume.empty()) {
      log_.info("nothing to resume in the work folder: beginning anew");
    } else if (const std::string aside = parallel_.is_first() ? work_dir_.set_checkpoints_aside() : "";
               !aside.empty()) {
      log_.warn(fmt::format("the work folder held checkpoints of an earlier run; they are in {} now", aside));
    }
    load_pretrain(options_.pretrain.empty() ? proto.train().float_pretrain() : options_.pretrain);
    enter_phase();
  }
  apply_freezing();
  int64_t trained = 0;
  for (const OptimizedParameter& parameter : optimizer_->parameters()) trained += parameter.value.numel();
  log_.info(fmt::format("{} parameters, {} of them trained; base lr {:.4g} x {:.4g}", network_->parameter_count(),
                        trained, proto.train().base_lr(), lr_factor_));
  if (!parallel_.is_first()) return;
  records_ = std::make_unique<RunRecords>(work_dir_.path(), global_step_, configs::to_text(proto), disk_);
}

Trainer::~Trainer() = default;

void Trainer::write_config() const {
  const std::string path = work_dir_.file("config.prototxt"), text = configs::to_text(document_.proto);
  // A run that goes on with the same config needs no room for it.
  if (std::filesystem::exists(path) && read_file(path) == text) return;
  write_text_file(path, text);
}

void Trainer::begin_training() {
  network_->set_training(true);
  if (!document_.proto.train().frozen_statistics()) return;
  network_->visit([](const std::string&, Module& module) {
    if (auto* norm = dynamic_cast<BatchNorm*>(&module)) norm->set_training(false);
  });
}

void Trainer::load_pretrain(const std::string& path) {
  // Only rank 0 needs the file: the others get what it has.
  if (!path.empty() && parallel_.is_first()) log_.info(load_pretrained(path, network_->state_dict()).summary());
  parallel_.broadcast(network_->state_dict());
}

void Trainer::prepare_features() {
  if (!document_.proto.feature_cache().enabled() || !features_.empty()) return;
  FreezeSchedule schedule(*network_, freeze_entries(document_.proto.train()), network_->switched_off());
  schedule.apply(total_steps_ - 1);
  for (const auto& [name, parameter] : trainable_parameters(*network_)) {
    if (network_->is_encoder(name))
      throw UsageError(fmt::format(
          "{}: field \"feature_cache.enabled\": {} is trained before step {}; freeze_module_schedules must freeze "
          "everything up to the fused feature for the whole run",
          document_.place("feature_cache.enabled"), name, total_steps_));
  }
  // The schedule has left the encoder frozen, so that its norms use their running statistics while the cache is filled.
  const StopSignals signals;
  const std::string& pretrain =
      options_.pretrain.empty() ? document_.proto.train().float_pretrain() : options_.pretrain;
  for (const std::shared_ptr<const Dataset>& dataset : data_.datasets()) {
    features_.push_back(std::make_unique<FeatureSource>(*network_, *dataset, document_.proto, pretrain, log_));
    if (document_.proto.feature_cache().fill_first()) features_.back()->fill(group_);
  }
  group_.barrier();
}

void Trainer::enter_phase() {
  prepare_features();
  const config::Train& train = document_.proto.train();
  cached_.clear();
  const bool is_train = global_step_ < train.train_steps();
  sources_ = data_.sources(document_.proto, is_train ? train.num_train_cases() : train.num_finetune_cases(), group_,
                           options_.device);
  if (history_) history_->reset();
  for (size_t i = 0; i < features_.size(); ++i)
    cached_.push_back(
        std::make_unique<CachedBatches>(sources_[i], *features_[i], configs::history_options(document_.proto)));
}

void Trainer::apply_freezing() {
  if (!freezing_->apply(global_step_)) return;
  budget_->forget();
  std::vector<std::pair<std::string, double>> scales;
  for (const config::GroupLrScale& scale : document_.proto.train().group_lr_scale())
    scales.emplace_back(scale.prefix(), scale.scale());
  optimizer_->set_parameters(optimized_parameters(trainable_parameters(*network_), scales));
  optimizer_->set_share(parallel_.set_parameters(optimizer_->parameters()));
  std::string names;
  for (const std::string& name : freezing_->frozen_modules()) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) log_.info(fmt::format("step {}: frozen are {}", global_step_, names));
}

double Trainer::lr_at(int64_t step) const {
  return schedule_(step) * warmup_factor(step, document_.proto.train().warmup_steps()) * lr_factor_;
}

void Trainer::phase_done(const char* name, StepPart part) {
  profile::phase_done(name);
  pace_->clock.done(part);
}

void Trainer::train_batch(size_t source, Prepared prepared, AccumulatedSums* sums, StepReport& report, bool is_last,
                          std::optional<QueuedBatch>& last) {
  if (last) take_losses(*last, read_scalars(last->losses.numbers), report);
  last = {};  // the maps of one batch alone are kept
  const RecomputeGuard recompute(budget_->begin_passes());
  if (train_recorded(source, prepared, last)) return;
  const BatchSync giving = sums ? sums->giving() : BatchSync();
  const BatchSyncGuard sync(sums ? &giving : parallel_.sync());
  NetworkOutput output = run_network(source, prepared);
  Batch& batch = prepared.batch;
  if (prepared.history) draw_debug(batch, output, *prepared.history);
  prepared.history.reset();
  batch.images.clear();  // only the labels are needed from here on
  if (batch.on_device) batch.on_device->drop_images();
  const QueuedLosses losses = queue_losses(output, batch, sources_[source].tasks());
  phase_done("loss", StepPart::Forward);
  // With the sums of the whole step a batch's loss is its part of the step's.
  const double share = sums ? 1.0 : 1.0 / document_.proto.train().accumulate_grad_batches();
  QueuedBatch queued{std::move(output), losses, std::move(batch.keys), share, {}};
  if (options_.device.is_cpu()) {
    take_losses(queued, read_scalars(losses.numbers), report);
  } else {
    // On a GPU they are read with the norm of the gradient, when the whole step is queued.
    last = std::move(queued);
  }
  queued = {};  // what the tape does not need goes before backward
  const Tensor total = share == 1.0 ? losses.total : mul(losses.total, share);
  if (is_last) parallel_.begin_backward(total);
  backward(total);
  if (is_last) parallel_.end_backward();
  pace_->clock.done(StepPart::Backward);
}

void Trainer::take_losses(const QueuedBatch& queued, std::span<const double> values, StepReport& report) {
  Losses losses = queued.losses.read(values);
  // The counts of wrong labels come last.
  const size_t known = losses.terms.size() + 1;
  if (queued.explain && std::ranges::any_of(values.subspan(known, queued.losses.numbers.size() - known),
                                            [](double count) { return count > 0; }))
    queued.explain();
  double loss = losses.value;
  parallel_.merge(loss, losses.terms);
  if (!std::isfinite(loss)) {
    writer_.finish();
    const std::vector<std::string> saved = work_dir_.checkpoints();
    // The sum over the ranks is not finite on any of them: each says what it knows and ends.
    const bool is_here = !std::isfinite(losses.value);
    fail("step {}: the loss is {}; the first that is not finite is {} (samples {}...); the last checkpoint is {}",
         global_step_, loss,
         is_here ? find_not_finite(*network_, queued.explain ? queued.explain() : queued.output, losses)
                 : "on another rank",
         queued.keys.empty() ? "" : queued.keys[0], saved.empty() ? "none" : saved[0]);
  }
  report.samples.insert(report.samples.end(), queued.keys.begin(), queued.keys.end());
  for (const auto& [name, value] : losses.terms) {
    const auto found = std::find_if(report.terms.begin(), report.terms.end(),
                                    [&name = name](const auto& term) { return term.first == name; });
    auto& total = found == report.terms.end() ? report.terms.emplace_back(name, 0) : *found;
    total.second += value * queued.share;
  }
  report.loss += loss * queued.share;
}

double Trainer::read_step(const std::optional<QueuedBatch>& last, StepReport& report) {
  std::vector<Tensor> numbers = last ? last->losses.numbers : std::vector<Tensor>();
  numbers.push_back(squared_grad_norm(optimizer_->parameters()));
  const std::vector<double> values = read_scalars(numbers);
  if (last) take_losses(*last, values, report);
  return std::sqrt(values.back());
}

bool Trainer::skips(StepReport& report) {
  report.skipped = guard_.rejects(report.loss);
  if (!report.skipped) return false;
  std::string samples;
  for (const std::string& key : report.samples) samples += (samples.empty() ? "" : " ") + key;
  std::string all;
  for (const std::string& of_rank : gather_texts(group_, samples)) all += (all.empty() ? "" : " ") + of_rank;
  log_.warn(fmt::format("step {}: the loss, {:.4g}, is over {:g} times its running mean, {:.4g}: skipped; samples {}",
                        report.step, report.loss, document_.proto.train().skip_loss_factor(), guard_.mean(), all));
  return true;
}

StepReport Trainer::step() {
  const config::Train& train = document_.proto.train();
  if (global_step_ > 0 && global_step_ == train.train_steps()) enter_phase();
  apply_freezing();
  parallel_.begin_step(global_step_);
  pace_->clock.start();
  StepReport report;
  report.step = global_step_;
  report.lr = lr_at(global_step_);
  std::optional<QueuedBatch> last;
  const size_t batches = static_cast<size_t>(train.accumulate_grad_batches()) * sources_.size();
  const bool has_two_passes = train.accumulate_grad_batches() > 1 && document_.proto.distributed().sync_losses();
  std::vector<Prepared> ahead;
  std::vector<AccumulatedSums> sums;
  if (has_two_passes) {
    for (size_t i = 0; i < batches; ++i) ahead.push_back(prepare(i % sources_.size()));
    sums = note_sums(ahead);
  }
  for (size_t i = 0; i < batches; ++i) {
    const size_t source = i % sources_.size();
    train_batch(source, has_two_passes ? std::move(ahead[i]) : prepare(source),
                has_two_passes ? &sums[source] : nullptr, report, i + 1 == batches, last);
  }
  budget_->end_passes();
  if (train.grad_clip_value() > 0) {
    std::vector<Tensor> values;
    for (const OptimizedParameter& parameter : optimizer_->parameters()) values.push_back(parameter.value);
    clip_grad_value(values, train.grad_clip_value());
  }
  report.grad_norm = read_step(last, report);
  if (skips(report)) {
    optimizer_->zero_grad();
    ++global_step_;
    return report;
  }
  if (!std::isfinite(report.grad_norm)) {
    for (const OptimizedParameter& parameter : optimizer_->parameters()) {
      const Tensor gradient = grad(parameter.value);
      check(!gradient.defined() || ops::all_finite(gradient), "step {}: the gradient of {} is not finite", global_step_,
            parameter.name);
    }
    fail("step {}: the norm of the gradient is {}", global_step_, report.grad_norm);
  }
  const bool draws_histograms = train.histogram_interval() > 0 && (global_step_ + 1) % train.histogram_interval() == 0;
  double factor = clip_factor(report.grad_norm, train.grad_clip_norm());
  if (draws_histograms) scale_gradients(optimizer_->parameters(), std::exchange(factor, 1));
  optimizer_->step(report.lr, factor);
  // Weights as a checkpoint of this step has them, beside the gradients that made them.
  if (records_ && draws_histograms) records_->add_histograms(global_step_ + 1, optimizer_->parameters());
  optimizer_->zero_grad();
  parallel_.end_step();
  if (average_) average_->update(network_->state_dict());
  phase_done("optimizer", StepPart::Update);
  ++global_step_;
  return report;
}

void Trainer::run() {
  const config::Train& train = document_.proto.train();
  const Clock::time_point start = Clock::now();
  const int64_t first_step = global_step_;
  const StopSignals signals;
  if (owes_validation()) validate_now();
  // By the third step everything is in its place that the first ones prepare.
  const int64_t profiled = options_.profile ? global_step_ + 2 : -1;
  while (global_step_ < total_steps_ && !watch_.should_stop()) {
    log_step(global_step_ == profiled ? profiled_step() : step());
    const bool is_last = global_step_ == total_steps_;
    // A checkpoint of this step knows how its validation ended.
    if (owes_validation()) validate_now();
    if (train.checkpoint_interval() > 0 && global_step_ % train.checkpoint_interval() == 0) owes_checkpoint_ = true;
    if (!is_last) save_beside();
    if (const int signal = parallel_.signal(); signal != 0 && !is_last) {
      const std::string path = save();
      parallel_.barrier();  // a launcher stops all as soon as one has ended: rank 0 must have saved
      throw Interrupted(signal, fmt::format("stopped by {} after step {}; saved {}; go on with --resume auto",
                                            stop_cause(signal), global_step_, path));
    }
  }
  if (watch_.should_stop())
    log_.info(
        fmt::format("stopped early after step {}: {} validation(s) in a row brought no better {} than {} after step {}",
                    global_step_, watch_.since_best(), watch_.options().metric,
                    watch_.best() ? fmt::format("{:.4f}", *watch_.best()) : "none", watch_.best_step()));
  const Checkpoint last = checkpoint();
  const std::string path = save(last);
  if (!parallel_.is_first()) return;
  const std::string output = work_dir_.file(train.output_checkpoint());
  save_lightning_checkpoint(output, last);
  log_.info(fmt::format("{} steps done; wrote {} and {}", global_step_, output, path));
  if (average_ && !average_->empty()) {
    const std::string of_average = std::filesystem::path(output).replace_extension().string() + ".average.ckpt";
    save_lightning_checkpoint(of_average, averaged(last));
    log_.info(fmt::format("the average of the weights is in {}", of_average));
  }
  if (const std::string exchange = parallel_.summary(seconds_since(start), global_step_ - first_step);
      !exchange.empty())
    log_.info(exchange);
  log_.info(fmt::format("peak memory: {:.2f} GB resident, {:.2f} GB in tensors", peak_resident_bytes() / 1e9,
                        static_cast<double>(memory_stats(options_.device).peak) / 1e9));
}

}  // namespace bevgrad
