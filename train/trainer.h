// A training run from its config to its checkpoint.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "configs/document.h"
#include "distributed/process_group.h"
#include "models/history_player.h"
#include "models/network.h"
#include "optim/freezing.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "optim/weight_average.h"
#include "tasks/losses.h"
#include "tasks/task_list.h"
#include "tensor/random.h"
#include "train/batch_source.h"
#include "train/cache/cached_batches.h"
#include "train/checkpoint/checkpoint.h"
#include "train/checkpoint/checkpoint_writer.h"
#include "train/data_parallel/accumulated_sums.h"
#include "train/data_parallel/data_parallel.h"
#include "train/data_parallel/step_times.h"
#include "train/logging/disk_watch.h"
#include "train/logging/run_log.h"
#include "train/loss_guard.h"
#include "train/memory_budget.h"
#include "train/metric_watch.h"
#include "train/parts.h"
#include "train/run_records.h"
#include "train/step_graph.h"
#include "train/work_dir.h"

namespace bevgrad {

struct TrainerOptions {
  std::string work_dir;
  /// "": begin anew; "auto": go on from the newest whole checkpoint of the work folder, if there is one; else a file.
  std::string resume;
  /// Parameters to begin with; empty: the config's float_pretrain.
  std::string pretrain;
  bool quiet = false;
  /// Cores of this rank, for advice. 0: all of the machine.
  int cores = 0;
  /// The third step of run() is profiled: profile.txt and profile.json (a Chrome trace) in the work folder.
  bool profile = false;
  /// Where the network computes.
  Device device = {};
  /// Called on rank 0 once a checkpoint is whole on the disk, with its step.
  std::function<void(int64_t)> on_saved = {};
};

/// Result of one training step.
struct StepReport {
  int64_t step = 0;  ///< from 0
  double loss = 0;
  double lr = 0;
  double grad_norm = 0;
  std::vector<std::pair<std::string, double>> terms;
  std::vector<std::string> samples;  ///< keys of this rank's
  bool skipped = false;              ///< its loss jumped: no weight was moved
};

class Trainer {
 public:
  /// Opens data and work folder, builds the network, loads what it starts from. Throws UsageError or Error in one line.
  Trainer(const configs::Document& document, const TrainerOptions& options, ProcessGroup& group,
          const Parts& parts = standard_parts());
  ~Trainer();

  /// All steps that are left (fewer where train.early_stop_patience ends it), then the output checkpoint. Throws
  /// Interrupted, with everything saved, after SIGINT or SIGTERM.
  void run();

  /// One optimizer step. run() is a loop over it; tests call it.
  StepReport step();

  int64_t global_step() const { return global_step_; }
  int64_t total_steps() const { return total_steps_; }
  Network& network() { return *network_; }
  Optimizer& optimizer() { return *optimizer_; }
  RunLog& log() { return log_; }
  const WorkDir& work_dir() const { return work_dir_; }

  /// Everything that a resumed run needs, on rank 0. All ranks call it; the others' is empty.
  Checkpoint checkpoint();
  /// Writes the checkpoint of this step, keeps the ones before it as the config says; returns its path. All ranks call
  /// it. Throws Error where the disk refuses.
  std::string save() { return save(checkpoint()); }

 private:
  /// What the network is run on.
  struct Prepared {
    Batch batch;
    Tensor bev_fused;                ///< from a feature cache
    std::optional<History> history;  ///< of a batch whose tasks take it, once it is found
  };
  /// The same from a copy, beside the next steps. Not begun while the one before is still being written: a slow disk
  /// delays a checkpoint, not the training. What the disk refuses is said once, and the run goes on with the last one.
  void save_beside();
  /// save() of what checkpoint() has just given.
  std::string save(const Checkpoint& checkpoint);
  void write(const Checkpoint& checkpoint, const RetentionRule& rule) const;
  RetentionRule retention() const;
  void write_config() const;
  /// The network as it is trained: with batch statistics, but where the config freezes them.
  void begin_training();
  void load_pretrain(const std::string& path);
  /// Where a run goes on. Source is the file, "" where the run begins anew; only rank 0 has what it holds.
  struct ResumePoint {
    std::string source;
    Checkpoint checkpoint;
  };
  /// What TrainerOptions::resume stands for.
  ResumePoint find_checkpoint();
  void resume(const std::string& source, Checkpoint found);
  void restore(const Checkpoint& checkpoint, const std::string& source);
  void enter_phase();
  /// With a feature cache: opens it for the weights as they are now and computes what it lacks.
  void prepare_features();
  void refill_history(const std::map<std::string, std::vector<int64_t>>& sampler);
  void warn_of_change(const BatchSource& source);
  void apply_freezing();
  /// A batch whose losses are not read yet.
  struct QueuedBatch {
    NetworkOutput output;
    QueuedLosses losses;
    std::vector<std::string> keys;
    double share = 1;                             ///< of the loss in that of the step
    std::function<NetworkOutput()> explain = {};  ///< of a batch that was replayed: StepGraph::Result::explain
  };
  /// `sums`: over the step's batches; null: this batch's losses know no other. `is_last`: no other batch of this step
  /// follows, so that gradients can be exchanged as they are completed. On a GPU the losses of the batch are not taken
  /// yet: it is `last`, whose own are taken before.
  void train_batch(size_t source, Prepared prepared, AccumulatedSums* sums, StepReport& report, bool is_last,
                   std::optional<QueuedBatch>& last);
  /// Why the steps cannot be recorded as a CUDA graph; "" where they can.
  std::string recording_obstacle(size_t source);
  /// The same as a CUDA graph; whether it could be done. Only of a batch that is a whole step of a single process.
  bool train_recorded(size_t source, Prepared& prepared, std::optional<QueuedBatch>& last);
  /// Adds the losses to the report; throws where they are not finite.
  void take_losses(const QueuedBatch& queued, std::span<const double> values, StepReport& report);
  /// Takes the losses of `last`, if there is one; returns the norm of the gradient. The host waits once.
  double read_step(const std::optional<QueuedBatch>& last, StepReport& report);
  /// The next batch of a source.
  Prepared prepare(size_t source);
  /// Finds the history first, where it has not been found yet.
  NetworkOutput run_network(size_t source, Prepared& prepared);
  /// Runs a step's batches (of all sources in turn) without a tape, for what their losses sum: one a source.
  std::vector<AccumulatedSums> note_sums(std::vector<Prepared>& batches);
  void draw_debug(const Batch& batch, const NetworkOutput& output, const History& history);
  /// Whether the step was skipped for its loss; says so with the samples of all ranks.
  bool skips(StepReport& report);
  /// A part of a step has ended, for the profile and for the log.
  void phase_done(const char* name, StepPart part);
  void log_step(const StepReport& report);
  void log_line(const StepReport& report, const Progress& progress, const std::vector<StepTimes>& ranks,
                double elapsed);
  /// Whether this step's validation is still to be done: a run may have been stopped in it.
  bool owes_validation() const;
  void validate_now();
  /// Validates the network's weights as they are into `folder`; `tag` stands before the figures in TensorBoard.
  std::map<std::string, double> validate_into(const std::string& folder, const std::string& tag);
  /// `before`: the watch before this validation, by which the run goes on where the disk refuses.
  void save_best(const MetricWatch& before);
  StepReport profiled_step();
  double lr_at(int64_t step) const;

  configs::Document document_;
  TrainerOptions options_;
  ProcessGroup& group_;
  DataParallel parallel_;
  WorkDir work_dir_;
  RunLog log_;
  DiskWatch disk_;
  std::unique_ptr<RunRecords> records_;  // of rank 0
  Generator generator_;
  TaskList tasks_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<FreezeSchedule> freezing_;
  std::unique_ptr<Optimizer> optimizer_;
  LrSchedule schedule_;
  TrainData data_;
  std::vector<BatchSource> sources_;
  // With a feature cache, one a source.
  std::vector<std::unique_ptr<FeatureSource>> features_;
  std::vector<std::unique_ptr<CachedBatches>> cached_;
  std::unique_ptr<HistoryPlayer> history_;
  std::unique_ptr<MemoryBudget> budget_;
  StepGraph step_graph_;
  bool told_obstacle_ = false;
  int64_t global_step_ = 0;
  int64_t total_steps_ = 0;
  double lr_factor_ = 1;
  MetricWatch watch_;
  bool owes_checkpoint_ = false;
  LossGuard guard_;
  std::optional<WeightAverage> average_;

  struct Pace;  // for the log
  std::unique_ptr<Pace> pace_;
  CheckpointWriter writer_;  // the last: what it uses must be there until it is done
};

}  // namespace bevgrad
