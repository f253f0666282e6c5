// Work folders of trainings, looked at from outside.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace bevgrad {

/// What a work folder holds. Nothing in it is changed, and nothing large is read.
struct RunFolder {
  std::string path;
  std::string holder;       ///< the process that trains there now; "": none does
  int64_t step = -1;        ///< of the newest checkpoint; -1: there is none
  int64_t total_steps = 0;  ///< by its config; 0: unknown
  std::string checkpoint;   ///< the newest, from which --resume auto goes on; "": none
  bool has_output = false;  ///< the output checkpoint of a training that came to its end
  std::string metric;       ///< what its best checkpoint goes by; "": nothing
  std::optional<double> best;
  int64_t best_step = -1;
  uint64_t bytes = 0;    ///< of all files
  double idle_days = 0;  ///< since a file was last written
  /// What can be deleted without loss to the run: checkpoints of earlier runs, unfinished and damaged files; each with
  /// its bytes.
  std::vector<std::pair<std::string, uint64_t>> disposable;
  std::string problem;  ///< what could not be read, in one line

  /// "running", "done", "can be resumed", "has no checkpoint"
  std::string state() const;
};

/// The work folders in `folder`, itself and its subfolders (three deep), by path. Throws UsageError where it is none.
std::vector<RunFolder> find_runs(const std::string& folder);

}  // namespace bevgrad
