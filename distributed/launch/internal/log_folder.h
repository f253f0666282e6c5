// Where the output of a launcher's processes goes.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "distributed/launch/output_choice.h"
#include "launch/internal/worker.h"

namespace bevgrad {

class LogFolder {
 public:
  /// Makes PARENT/<run id>_<six characters>, so that no run writes over the logs of another; none where `parent` is "".
  /// See LaunchOptions. Throws UsageError where it cannot be made.
  LogFolder(const std::string& parent, const std::string& run_id, StreamChoice redirects, StreamChoice tee,
            std::vector<int> shown_ranks);

  /// "" where there is none.
  const std::string& path() const { return path_; }
  /// Of standard output and standard error of a process: attempt_<n>/<local rank>/stdout.log and stderr.log.
  std::pair<OutputPlace, OutputPlace> places(int attempt, int local_rank) const;

 private:
  std::string path_;
  StreamChoice redirects_, tee_;
  std::vector<int> shown_ranks_;
};

}  // namespace bevgrad
