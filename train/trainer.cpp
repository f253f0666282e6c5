#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

#include "autograd/functions.h"
#include "base/files.h"
#include "base/signals.h"
#include "bench/internal/profile_report.h"
#include "configs/load.h"
#include "optim/clip_grad_norm.h"
#include "optim/clip_value.h"
#include "tasks/task_evaluation.h"
#include "tensor/allocator.h"
#include "tensor/build_info.h"
#include "tensor/read_scalars.h"
#include "train/frame_views.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/validator.h"

namespace bevgrad {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::vector<std::pair<std::string, int64_t>> freeze_entries(const config::Train& train) {
  std::vector<std::pair<std::string, int64_t>> entries;
  for (const config::FreezeModule& entry : train.freeze_module_schedules())
    entries.emplace_back(entry.module(), entry.steps());
  return entries;
}

MetricWatchOptions watch_options(const config::Train& train) {
  return {train.checkpoint_metric(), train.checkpoint_mode() == config::Train::min, train.early_stop_patience()};
}

/// The same with the averaged weights in place of the weights, where there are such.
Checkpoint averaged(Checkpoint checkpoint) {
  if (!checkpoint.weight_average.empty()) checkpoint.state_dict = checkpoint.weight_average;
  return checkpoint;
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

/// Time and loss since the last line of the log.
struct Trainer::Pace {
  Clock::time_point start = Clock::now();
  int64_t steps = 0;
  double loss = 0;
  double waited = 0;  // seconds for data, all in all, at the last line
  Clock::time_point drawn = Clock::now();
  double rate = 0;
};

Trainer::Trainer(const configs::Document& document, const TrainerOptions& options, ProcessGroup& group,
                 const Parts& parts)
    : document_(document),
      options_(options),
      group_(group),
      parallel_(group, document.proto.distributed()),
      work_dir_(options.work_dir, parallel_.is_first()),
      log_(parallel_.is_first() ? work_dir_.file("train.log") : "", options.quiet),
      generator_(document.proto.seed()),
      tasks_(parts.tasks, document),
      optimizer_(make_optimizer(document, parts)),
      schedule_(make_lr_schedule(document, parts)),
      data_(document_, tasks_),
      watch_(watch_options(document.proto.train()), headline_names(tasks_)),
      guard_(document.proto.train().skip_loss_factor(), document.proto.train().max_skipped_steps()),
      pace_(std::make_unique<Pace>()) {
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
  if (parallel_.is_first()) work_dir_.write_text("config.prototxt", configs::to_text(proto));

  network_ =
      std::make_unique<Network>(configs::network_options(document_), generator_, network_parts(document_, parts));
  network_->move_to(options_.device);
  network_->set_training(true);
  freezing_ = std::make_unique<FreezeSchedule>(*network_, freeze_entries(proto.train()), network_->switched_off());
  if (proto.tasks().enable_static_temporal())
    history_ = std::make_unique<HistoryPlayer>(configs::history_options(proto), proto.train().batch_size());
  if (proto.train().ema_decay() > 0) average_.emplace(proto.train().ema_decay());
  if (options_.resume.empty()) {
    if (const std::string aside = parallel_.is_first() ? work_dir_.set_checkpoints_aside() : ""; !aside.empty())
      log_.warn(fmt::format("the work folder held checkpoints of an earlier run; they are in {} now", aside));
    load_pretrain(options_.pretrain.empty() ? proto.train().float_pretrain() : options_.pretrain);
    enter_phase();
  } else {
    resume(options_.resume);
  }
  apply_freezing();
  int64_t trained = 0;
  for (const OptimizedParameter& parameter : optimizer_->parameters()) trained += parameter.value.numel();
  log_.info(fmt::format("{} parameters, {} of them trained; base lr {:.4g} x {:.4g}", network_->parameter_count(),
                        trained, proto.train().base_lr(), lr_factor_));
  if (!parallel_.is_first()) return;
  events_ = std::make_unique<EventFile>(work_dir_.path());
  events_->start_session(global_step_ == 0 ? 0 : global_step_ + 1);
  scalars_ = std::make_unique<ScalarLog>(work_dir_.path(), global_step_ == 0 ? -1 : global_step_);
  events_->add_text("config", configs::to_text(proto), global_step_);
}

Trainer::~Trainer() = default;

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
  std::vector<std::pair<std::string, double>> scales;
  for (const config::GroupLrScale& scale : document_.proto.train().group_lr_scale())
    scales.emplace_back(scale.prefix(), scale.scale());
  optimizer_->set_parameters(optimized_parameters(trainable_parameters(*network_), scales));
  parallel_.set_parameters(optimizer_->parameters());
  std::string names;
  for (const std::string& name : freezing_->frozen_modules()) names += (names.empty() ? "" : ", ") + name;
  if (!names.empty()) log_.info(fmt::format("step {}: frozen are {}", global_step_, names));
}

double Trainer::lr_at(int64_t step) const {
  return schedule_(step) * warmup_factor(step, document_.proto.train().warmup_steps()) * lr_factor_;
}

NetworkOutput Trainer::forward(const BatchSource& source, const Batch& batch) {
  if (!history_ || !source.has_history()) return network_->forward(network_input(batch));
  NetworkOutput output = network_->encode(network_input(batch));
  const History history = history_->play(*network_, output, stream_frames(batch), &generator_);
  draw_debug(batch, output, history);
  return output;
}

void Trainer::draw_debug(const Batch& batch, const NetworkOutput& output, const History& history) const {
  const config::Temporal& temporal = document_.proto.temporal();
  if (!temporal.debug_dir().empty() && global_step_ % temporal.visualize_interval() == 0)
    draw_temporal_debug(temporal.debug_dir(), global_step_, document_.proto, tasks_, batch, on_cpu(output),
                        on_cpu(history));
}

NetworkOutput Trainer::next_output(size_t source, Batch& batch) {
  if (cached_.empty()) {
    batch = sources_[source].next();
    profile::phase_done("data");
    return forward(sources_[source], batch);
  }
  PreparedBatch prepared = cached_[source]->next(generator_);
  generator_ = prepared.generator;
  batch = std::move(prepared.batch);
  profile::phase_done("data");
  NetworkOutput output;
  output.set(kBevFused, prepared.bev_fused, "feature cache");
  network_->decode(output, prepared.history);
  if (sources_[source].has_history()) draw_debug(batch, output, prepared.history);
  return output;
}

void Trainer::train_batch(size_t source, StepReport& report, bool is_last, std::optional<QueuedBatch>& last) {
  if (last) take_losses(*last, read_scalars(last->losses.numbers), report);
  last = {};  // the maps of one batch alone are kept
  Batch batch;
  NetworkOutput output = next_output(source, batch);
  batch.images.clear();  // only the labels are needed from here on
  if (batch.on_device) batch.on_device->drop_images();
  const QueuedLosses losses = queue_losses(output, batch, sources_[source].tasks());
  profile::phase_done("loss");
  QueuedBatch queued{std::move(output), losses, std::move(batch.keys)};
  if (options_.device.is_cpu()) {
    take_losses(queued, read_scalars(losses.numbers), report);
  } else {
    // On a GPU they are read with the norm of the gradient, when the whole step is queued.
    last = std::move(queued);
  }
  queued = {};  // what the tape does not need goes before backward
  const double share = 1.0 / document_.proto.train().accumulate_grad_batches();
  const Tensor total = share == 1.0 ? losses.total : mul(losses.total, share);
  if (is_last) parallel_.begin_backward(total);
  backward(total);
  if (is_last) parallel_.end_backward();
}

void Trainer::take_losses(const QueuedBatch& queued, std::span<const double> values, StepReport& report) {
  Losses losses = queued.losses.read(values);
  double loss = losses.value;
  parallel_.merge(loss, losses.terms);
  if (!std::isfinite(loss)) {
    writer_.finish();
    const std::vector<std::string> saved = work_dir_.checkpoints();
    // The sum over the ranks is not finite on any of them: each says what it knows and ends.
    const bool is_here = !std::isfinite(losses.value);
    fail("step {}: the loss is {}; the first that is not finite is {} (samples {}...); the last checkpoint is {}",
         global_step_, loss, is_here ? find_not_finite(*network_, queued.output, losses) : "on another rank",
         queued.keys.empty() ? "" : queued.keys[0], saved.empty() ? "none" : saved[0]);
  }
  report.samples.insert(report.samples.end(), queued.keys.begin(), queued.keys.end());
  const double share = 1.0 / document_.proto.train().accumulate_grad_batches();
  for (const auto& [name, value] : losses.terms) {
    const auto found = std::find_if(report.terms.begin(), report.terms.end(),
                                    [&name = name](const auto& term) { return term.first == name; });
    auto& total = found == report.terms.end() ? report.terms.emplace_back(name, 0) : *found;
    total.second += value * share;
  }
  report.loss += loss * share;
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
  const BatchSyncGuard sync(parallel_.sync());
  StepReport report;
  report.step = global_step_;
  report.lr = lr_at(global_step_);
  std::optional<QueuedBatch> last;
  for (int i = 0; i < train.accumulate_grad_batches(); ++i) {
    const bool is_last = i + 1 == train.accumulate_grad_batches();
    for (size_t source = 0; source < sources_.size(); ++source)
      train_batch(source, report, is_last && source + 1 == sources_.size(), last);
  }
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
  if (draws_histograms) log_histograms();
  optimizer_->zero_grad();
  if (average_) average_->update(network_->state_dict());
  profile::phase_done("optimizer");
  ++global_step_;
  return report;
}

StepReport Trainer::profiled_step() {
  profile::start(options_.device);
  const StepReport report = step();
  const std::vector<profile::Event> events = profile::stop();
  work_dir_.write_text("profile.txt", profile_table(events, *network_));
  work_dir_.write_text("profile.json", chrome_trace(events, *network_));
  log_.info(fmt::format("profile of step {}: {} and {}", report.step, work_dir_.file("profile.txt"),
                        work_dir_.file("profile.json")));
  return report;
}

void Trainer::log_step(const StepReport& report) {
  Pace& pace = *pace_;
  if (!parallel_.is_first()) return;
  ++pace.steps;
  pace.loss += report.loss;
  const bool is_due = global_step_ % document_.proto.train().log_interval() == 0 || global_step_ == total_steps_;
  if (!is_due && !(log_.is_live() && seconds_since(pace.drawn) > 0.2)) return;
  const double elapsed = seconds_since(pace.start);
  if (elapsed > 0) pace.rate = static_cast<double>(pace.steps) / elapsed;
  pace.drawn = Clock::now();
  const Progress progress{
      "train",   global_step_,    total_steps_, pace.rate, pace.loss / static_cast<double>(pace.steps),
      report.lr, resident_bytes()};
  log_.progress(progress);
  if (!is_due) return;
  double waited = 0;
  for (const BatchSource& source : sources_) waited += source.waited();
  std::string line = fmt::format("{} grad_norm {:.4g} data {:.0f}%", to_string(progress), report.grad_norm,
                                 100 * (waited - pace.waited) / std::max(elapsed, 1e-9));
  Scalars scalars = {{"train/loss", progress.loss},
                     {"train/lr", report.lr},
                     {"train/grad_norm", report.grad_norm},
                     {"train/steps_per_second", pace.rate},
                     {"train/memory_gb", progress.memory / 1e9}};
  for (const auto& [name, value] : report.terms) {
    line += fmt::format(" {} {:.4g}", name, value);
    scalars.emplace_back("loss/" + name, value);
  }
  log_.to_file(line);
  log_scalars(scalars);
  const double rate = pace.rate;
  pace = Pace();
  pace.rate = rate;
  pace.waited = waited;
}

void Trainer::log_scalars(const Scalars& scalars) {
  for (const auto& [name, value] : scalars) events_->add_scalar(name, value, global_step_);
  events_->flush();
  scalars_->add(global_step_, scalars);
}

void Trainer::log_histograms() {
  if (!events_) return;
  for (const OptimizedParameter& parameter : optimizer_->parameters()) {
    events_->add_histogram("weights/" + parameter.name, histogram_of(parameter.value), global_step_ + 1);
    if (const Tensor gradient = grad(parameter.value); gradient.defined())
      events_->add_histogram("gradients/" + parameter.name, histogram_of(gradient), global_step_ + 1);
  }
}

bool Trainer::owes_validation() const {
  const config::Train& train = document_.proto.train();
  if (train.val_interval() == 0 || global_step_ == 0 || watch_.last_step() == global_step_) return false;
  // The last weights have their chance to be the best ones too.
  if (global_step_ == total_steps_) return !train.checkpoint_metric().empty();
  return global_step_ % train.val_interval() == 0;
}

std::map<std::string, double> Trainer::validate_into(const std::string& folder, const std::string& tag) {
  Validator validator(document_, {.output_dir = work_dir_.file(folder)}, log_, group_, tasks_);
  std::map<std::string, double> headline = validator.run(*network_);
  network_->set_training(true);
  if (!events_) return headline;
  for (const auto& [val_set, path] : validator.first_pictures())
    events_->add_image(tag + "/" + val_set, read_file(path), global_step_);
  Scalars scalars;
  for (const auto& [name, value] : headline) scalars.emplace_back(tag + "/" + name, value);
  log_scalars(scalars);
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
  const bool is_best = watch_.update(global_step_, headline);
  if (const std::string& metric = watch_.options().metric; !metric.empty() && !headline.contains(metric))
    log_.warn(fmt::format("step {}: {} is n/a in this validation", global_step_, metric));
  if (is_best) save_best();
} catch (const Interrupted& interrupted) {
  // The validation is done again after the resume.
  network_->set_training(true);
  const std::string path = save();
  parallel_.barrier();
  throw Interrupted(interrupted.signal(),
                    fmt::format("stopped by {} in the validation after step {}; saved {}; go on with --resume auto",
                                stop_cause(interrupted.signal()), global_step_, path));
}

void Trainer::save_best() {
  if (!parallel_.is_first()) return;
  writer_.finish();  // one file at a time
  const Checkpoint best = checkpoint();
  save_checkpoint(work_dir_.best_checkpoint(), best);
  save_lightning_checkpoint(work_dir_.file("best.ckpt"), averaged(best));
  log_.info(fmt::format("step {}: {} {:.4f} is the best so far: {} and best.ckpt", global_step_,
                        watch_.options().metric, *watch_.best(), work_dir_.best_checkpoint()));
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
  const std::string path = save();
  if (!parallel_.is_first()) return;
  const std::string output = work_dir_.file(train.output_checkpoint());
  save_lightning_checkpoint(output, checkpoint());
  log_.info(fmt::format("{} steps done; wrote {} and {}", global_step_, output, path));
  if (average_ && !average_->empty()) {
    const std::string of_average = std::filesystem::path(output).replace_extension().string() + ".average.ckpt";
    save_lightning_checkpoint(of_average, averaged(checkpoint()));
    log_.info(fmt::format("the average of the weights is in {}", of_average));
  }
  if (const std::string exchange = parallel_.summary(seconds_since(start), global_step_ - first_step);
      !exchange.empty())
    log_.info(exchange);
  log_.info(fmt::format("peak memory: {:.2f} GB resident, {:.2f} GB in tensors", peak_resident_bytes() / 1e9,
                        static_cast<double>(memory_stats(options_.device).peak) / 1e9));
}

}  // namespace bevgrad
