// Validation: streams the val sets' sequences through the network, with history, and writes metrics and pictures.
#pragma once
#include <map>
#include <string>

#include "configs/document.h"
#include "distributed/process_group.h"
#include "models/network.h"
#include "tasks/task_list.h"
#include "train/logging/disk_watch.h"
#include "train/logging/run_log.h"

namespace bevgrad {

struct ValidatorOptions {
  /// Gets metrics.json, metrics.txt and one CSV a table; with eval.eval_with_visualize also pictures/<val
  /// set>/<key>.png, drives/, lanes/ and report.html.
  std::string output_dir;
  /// Set: files that the disk refuses do not end it; they are said there.
  DiskWatch* disk = nullptr;
};

class Validator {
 public:
  /// Opens the val sets; `tasks` are those of the network that is run. Throws UsageError where the config names none,
  /// and what Dataset throws. Several ranks share the sequences out; rank 0 gets all counts, in the order in which one
  /// rank would have counted, and writes the metrics.
  Validator(const configs::Document& document, const ValidatorOptions& options, RunLog& log, ProcessGroup& group,
            TaskList tasks);
  ~Validator();

  /// Runs the network, where it is, in evaluation mode (and leaves it there) over all samples, `eval.max_samples` at
  /// most. Returns the headline numbers. Throws Interrupted after a signal, with what was counted so far written.
  std::map<std::string, double> run(Network& network);

  /// After run(): the file of the first picture of each val set, where pictures were drawn.
  std::map<std::string, std::string> first_pictures() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace bevgrad
