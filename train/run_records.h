// The numbers and pictures that a training leaves for people and other programs.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "optim/optimizer.h"
#include "train/logging/disk_watch.h"
#include "train/logging/event_file.h"
#include "train/logging/scalar_log.h"

namespace bevgrad {

/// TensorBoard's events, scalars.jsonl and scalars.csv in the work folder. A disk that refuses them does not end the
/// run: DiskWatch says so, and each file ends with its last whole record.
class RunRecords {
 public:
  /// Goes on behind what the files say up to `step`, the step of the checkpoint from which the run goes on (0: it
  /// begins).
  RunRecords(const std::string& folder, int64_t step, const std::string& config, DiskWatch& disk);

  void add(int64_t step, const Scalars& scalars);
  /// Of weights and gradients.
  void add_histograms(int64_t step, const std::vector<OptimizedParameter>& parameters);
  /// Picture files by name, each as "<tag>/<name>".
  void add_pictures(int64_t step, const std::string& tag, const std::map<std::string, std::string>& paths);

 private:
  DiskWatch& disk_;
  std::optional<EventFile> events_;
  std::optional<ScalarLog> scalars_;
};

}  // namespace bevgrad
