// The folder of a run: its config, logs, checkpoints and results.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "train/checkpoint/retention.h"
#include "train/work_lock.h"

namespace bevgrad {

class WorkDir {
 public:
  /// Makes the folder where it is missing. Throws UsageError where it cannot be made or written. `trains`: for a
  /// training, of which there is one at a time in a folder (train/work_lock.h); what killed ones left half-written is
  /// deleted.
  explicit WorkDir(const std::string& path, bool trains = false);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string checkpoint_file(int64_t step) const;
  /// The checkpoint that was best in a validation; checkpoints() leaves it out.
  std::string best_checkpoint() const { return path_ + "/checkpoints/best.h5"; }
  /// The step in the name of such a file, or -1.
  static int64_t step_of_checkpoint(const std::string& path);
  /// Whole checkpoints of the run, newest first.
  std::vector<std::string> checkpoints() const;
  /// Deletes the checkpoints that the rule does not keep.
  void prune_checkpoints(const RetentionRule& rule) const;
  /// Moves the checkpoints of an earlier run, its best ones too, to a folder beside theirs, so that a new run begins
  /// without them; returns its name, or "" where there were none.
  std::string set_checkpoints_aside() const;

  void write_text(const std::string& name, const std::string& text) const;

 private:
  std::string path_;
  WorkLock lock_;
};

}  // namespace bevgrad
