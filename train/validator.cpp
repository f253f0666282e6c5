#include "train/validator.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "autograd/autograd.h"
#include "base/signals.h"
#include "configs/validate.h"
#include "data/loader.h"
#include "internal/background_worker.h"
#include "internal/clock.h"
#include "internal/data_agreement.h"
#include "models/history_player.h"
#include "tensor/ops.h"
#include "train/batch_source.h"
#include "train/cache/feature_source.h"
#include "train/network_state.h"
#include "train/options/from_config.h"
#include "train/validation_results.h"

namespace bevgrad {
namespace {

namespace fs = std::filesystem;

/// The most batches that wait for evaluation: they are held in memory beside the one that is being evaluated.
constexpr size_t kMostWaiting = 4;

/// A signal that any rank got, so that all of them go on or end.
int signal_of_any(ProcessGroup& group, int signal) {
  for (const std::string& text : gather_texts(group, std::to_string(signal)))
    signal = std::max(signal, std::atoi(text.c_str()));
  return signal;
}

}  // namespace

struct Validator::Impl {
  configs::Document document;
  ValidatorOptions options;
  RunLog& log;
  ProcessGroup& group;
  TaskList tasks;
  std::unique_ptr<Dataset> dataset;
  std::map<std::string, std::string> first_pictures = {};
  std::vector<std::string> checked = {};  // what a brief check of the data says

  int64_t total() const;

  /// What came of a pass over the val sets.
  struct Played {
    int signal = 0;
    int64_t done = 0;
    double forward_seconds = 0;
  };
  /// Plays the val sets and hands the judged batches to `worker`, which gives them to `results`.
  Played play(Network& network, const config::Config& proto, ValidationResults& results, BackgroundWorker& worker,
              const Perturbation* perturbation);
  /// The val sets again for every perturbation of eval.perturb.
  std::vector<PerturbedFigures> play_perturbed(Network& network);
};

Validator::Validator(const configs::Document& document, const ValidatorOptions& options, RunLog& log,
                     ProcessGroup& group, TaskList tasks)
    : impl_(new Impl{document, options, log, group, std::move(tasks), nullptr}) {
  const config::Config& proto = document.proto;
  if (proto.data().val().empty())
    throw UsageError(fmt::format("{}: field \"data.val\": there is no val set", document.place("data.val")));
  impl_->dataset = std::make_unique<Dataset>(configs::lmdb_list(proto), configs::val_lists(proto),
                                             configs::dataset_options(proto, false));
  configs::validate_history_reach(document, impl_->dataset->frame_period());
  impl_->checked = check_briefly(*impl_->dataset, check_options(proto, impl_->tasks.active(), false));
  require_same_data(group, "validation", *impl_->dataset);
  std::error_code error;
  fs::create_directories(options.output_dir, error);
  if (error && !options.disk)
    throw UsageError(fmt::format("{}: cannot make this folder: {}", options.output_dir, error.message()));
}

Validator::~Validator() = default;

int64_t Validator::Impl::total() const {
  const int64_t most = document.proto.eval().max_samples();
  return most > 0 ? std::min(most, dataset->size()) : dataset->size();
}

std::map<std::string, std::string> Validator::first_pictures() const {
  return impl_->first_pictures;
}

Validator::Impl::Played Validator::Impl::play(Network& network, const config::Config& proto, ValidationResults& results,
                                              BackgroundWorker& worker, const Perturbation* perturbation) {
  // Of this rank: exact for one alone, about that for several.
  const int64_t all = (total() + group.size() - 1) / group.size();
  const std::string what = perturbation == nullptr ? "val" : "val, " + perturbation->text();
  const int64_t slots = proto.eval().batch_size();
  Loader loader(*dataset,
                make_sequential_sampler(
                    *dataset, {.batch_size = slots, .rank = group.rank(), .world = group.size(), .num_cases = total()}),
                {.workers = proto.train().num_workers(),
                 // Cached features need no pictures, but a person does.
                 .sensors = !proto.feature_cache().enabled() || proto.eval().eval_with_visualize(),
                 .device = network.device()});
  std::optional<HistoryPlayer> player;
  if (proto.tasks().enable_static_temporal()) player.emplace(configs::history_options(proto), slots);
  std::unique_ptr<FeatureSource> features;
  if (proto.feature_cache().enabled())
    features = std::make_unique<FeatureSource>(network, *dataset, proto, "weights of a validation", log);
  std::optional<Perturber> perturber;
  if (perturbation != nullptr) perturber.emplace(*perturbation);
  const Clock::time_point start = Clock::now();
  Clock::time_point shown = start;
  Played played;
  while (played.signal == 0) {
    std::optional<Batch> batch = loader.next();
    if (!batch) break;
    if (perturber) perturber->apply(*batch);
    const Clock::time_point forward_start = Clock::now();
    NetworkOutput output;
    if (features) {
      output.set(kBevFused, ops::to(features->features(batch->entries, DType::Float32), network.device()),
                 "feature cache");
    } else {
      output = network.encode(network_input(*batch));
    }
    History history;
    if (player) {
      history = player->play(network, output, stream_frames(*batch));
    } else {
      network.decode(output);
    }
    played.forward_seconds += std::chrono::duration<double>(Clock::now() - forward_start).count();
    played.done += batch->size();
    group.set_place(fmt::format("sample {} of {} of a validation", played.done, all));
    batch->on_device = nullptr;
    // Only pictures show the history.
    History shown_history = proto.eval().eval_with_visualize() ? on_cpu(history) : History();
    worker.push([&results, judged = std::make_shared<const JudgedBatch>(
                               std::move(*batch), on_cpu(output), std::move(shown_history))] { results.add(judged); });
    played.signal = StopSignals::caught();
    const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    const double pause = std::chrono::duration<double>(Clock::now() - shown).count();
    if (pause > (log.is_live() ? 0.2 : 10.0) || played.done >= all) {
      shown = Clock::now();
      Progress progress;
      progress.what = what;
      progress.done = played.done;
      progress.total = all;
      progress.rate = static_cast<double>(played.done) / std::max(elapsed, 1e-9);
      progress.memory = resident_bytes();
      log.progress(progress);
    }
  }
  return played;
}

std::vector<PerturbedFigures> Validator::Impl::play_perturbed(Network& network) {
  config::Config proto = document.proto;
  proto.mutable_eval()->set_eval_with_visualize(false);
  proto.mutable_feature_cache()->set_enabled(false);  // features of other inputs
  std::vector<PerturbedFigures> all;
  for (const Perturbation& perturbation : perturbations(proto)) {
    const std::string folder = (fs::path(options.output_dir) / "perturb" / std::to_string(all.size())).string();
    ValidationResults results(proto, tasks, folder, total(), options.disk != nullptr);
    BackgroundWorker worker(kMostWaiting);
    const Played played = play(network, proto, results, worker, &perturbation);
    worker.push([&results, this] { results.finish(group); });
    worker.finish();
    all.push_back({perturbation, results.summary().headline.figures});
    if (signal_of_any(group, played.signal) != 0) break;
  }
  return all;
}

std::map<std::string, double> Validator::run(Network& network) {
  const config::Config& proto = impl_->document.proto;
  RunLog& log = impl_->log;
  for (const std::string& remark : impl_->dataset->remarks()) log.info(remark);
  for (const std::string& line : impl_->checked) log.info(line);
  const NoGradGuard no_grad;
  network.set_training(false);
  ProcessGroup& group = impl_->group;
  group.set_place("the start of a validation");
  DiskWatch* disk = impl_->options.disk;
  ValidationResults results(proto, impl_->tasks, impl_->options.output_dir,
                            (impl_->total() + group.size() - 1) / group.size(), disk != nullptr);
  // Metrics, and beside them pictures, are made beside the network's next batches, in the order of the batches.
  BackgroundWorker worker(kMostWaiting);
  const Impl::Played played = impl_->play(network, proto, results, worker, nullptr);
  std::vector<PerturbedFigures> perturbed;
  if (proto.eval().has_perturb() && signal_of_any(group, played.signal) == 0)
    perturbed = impl_->play_perturbed(network);
  worker.push([&] { results.finish(group, perturbed); });
  worker.finish();
  impl_->first_pictures = results.first_pictures();
  if (!results.refused().empty())
    disk->refused("validation", "the run goes on, files of this validation are missing", results.refused());
  int signal = played.signal;
  int64_t all_done = 0;
  for (const std::string& text : gather_texts(group, fmt::format("{} {}", signal, played.done))) {
    signal = std::max(signal, std::atoi(text.c_str()));
    all_done += std::atoll(text.c_str() + text.find(' '));
  }
  const EvaluationSummary& evaluation = results.summary();
  for (const std::string& remark : evaluation.remarks) log.info(remark);
  for (const Table& table : evaluation.tables) {
    for (const ActiveTask& active : impl_->tasks)
      for (const Table& overview : active.task->overview(table)) log.info(to_text(overview));
  }
  log.info(fmt::format("{} samples; metrics in {}{}", all_done, impl_->options.output_dir,
                       results.pictures() > 0
                           ? fmt::format(", {} pictures in {}/pictures", results.pictures(), impl_->options.output_dir)
                           : ""));
  const auto [drawn, waited_for_pictures] = results.picture_seconds();
  log.info(fmt::format(
      "network {:.1f} s; beside it metrics {:.1f} s and pictures {:.1f} s, of which {:.1f} s were waited for",
      played.forward_seconds, worker.busy_seconds() - waited_for_pictures, drawn, worker.waited_seconds()));
  if (signal != 0 && all_done < impl_->total())
    throw Interrupted(signal, fmt::format("stopped by {} after {} of {} samples; {} holds what was counted so far",
                                          stop_cause(signal), all_done, impl_->total(), impl_->options.output_dir));
  if (group.size() == 1) return evaluation.headline.figures;
  // Every rank decides by the same number.
  const std::string text =
      broadcast_text(group, group.rank() == 0 ? nlohmann::json(evaluation.headline.figures).dump() : "");
  return nlohmann::json::parse(text).get<std::map<std::string, double>>();
}

}  // namespace bevgrad
