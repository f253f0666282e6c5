// What a validation makes of the network's outputs: metrics of every frame, pictures of some, and what a whole drive
// looks like.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "configs/document.h"
#include "data/batch.h"
#include "distributed/process_group.h"
#include "drawing/drive_recorder.h"
#include "evaluation/box_tracks.h"
#include "evaluation/evaluator.h"
#include "models/network_io.h"
#include "tasks/task_evaluation.h"
#include "train/perturbation.h"

namespace bevgrad {

/// One batch with the network's outputs. Tensors are shared with the network's caller; nothing writes to them.
struct JudgedBatch {
  Batch batch;
  NetworkOutput output;
  History history;
};

class BackgroundWorker;

/// Takes batches in the order in which they were played. Memory is that of the counts and of the drives that are being
/// played. Not thread-safe: one thread adds, and asks afterwards. Pictures are made on a thread of its own.
class ValidationResults {
 public:
  /// `total`: frames that will come, over which `eval.max_pictures` pictures are spread. Throws Error where the folder
  /// cannot be made. `goes_on`: a file that cannot be written is no Error, see refused().
  ValidationResults(const config::Config& proto, const TaskList& tasks, const std::string& folder, int64_t total,
                    bool goes_on);
  ~ValidationResults();

  void add(const std::shared_ptr<const JudgedBatch>& judged);
  /// Completes animations and maps. `perturbed` becomes a table. Rank 0 takes the counts of all ranks, in their order,
  /// and writes the metrics and, where pictures are wanted, report.html.
  void finish(ProcessGroup& group, const std::vector<PerturbedFigures>& perturbed = {});

  /// The first Error of a file that could not be written; no further picture was tried then. "": none.
  const std::string& refused() const { return refused_; }
  /// After finish(): of all ranks, on rank 0 alone.
  const EvaluationSummary& summary() const { return summary_; }
  int64_t pictures() const { return recorder_ ? recorder_->pictures() : 0; }
  /// Seconds of making pictures, and those for which add() and finish() have waited for it.
  std::pair<double, double> picture_seconds() const;
  /// The file of the first picture of each val set.
  std::map<std::string, std::string> first_pictures() const;

 private:
  void record(const JudgedBatch& judged, int64_t n, EvaluationFrame frame);
  bool wants_picture();
  /// Runs what writes files. Pictures end with the first one that is refused.
  void attempt(const std::function<void()>& write);

  const config::Config& proto_;
  const TaskList& tasks_;
  std::string folder_;
  int64_t total_;
  bool goes_on_;
  std::string refused_;
  int64_t seen_ = 0;
  BoxTracker tracker_;
  TaskEvaluation evaluation_;
  EvaluationSummary summary_;
  std::optional<DriveRecorder> recorder_;      // of the thread that makes pictures, until finish()
  std::unique_ptr<BackgroundWorker> drawing_;  // null where none are made; the last: it uses the others
};

}  // namespace bevgrad
