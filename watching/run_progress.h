// A training looked at from outside while it goes on.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "train/run_folder.h"

namespace bevgrad {

/// Step and value, rising by step. A number that was not finite is left out.
using Curve = std::vector<std::pair<int64_t, double>>;

/// Follows a work folder. Nothing in it is changed.
class RunProgress {
 public:
  explicit RunProgress(std::string folder) : folder_(std::move(folder)) {}

  /// Reads what was written since the last call. Damaged lines are passed over, as is what a run that goes on from an
  /// earlier checkpoint has taken back.
  void update();

  const std::string& folder() const { return folder_; }
  /// By name: "train/loss", "val/miou", "rank0/data", ...
  const std::map<std::string, Curve>& curves() const { return curves_; }
  /// The last value of a curve, or `missing`.
  double last(const std::string& name, double missing = 0) const;
  /// The last step that any number is of; -1: there is none. When it was written, in seconds since 1970.
  int64_t step() const { return step_; }
  double time() const { return time_; }
  /// Ranks by which the last numbers say where their time went.
  int ranks() const;
  /// Seconds until `total` steps at the rate of the last line; below 0: unknown.
  double seconds_left(int64_t total) const;

 private:
  void take(const std::string& line);

  std::string folder_;
  std::map<std::string, Curve> curves_;
  int64_t step_ = -1;
  double time_ = 0;
  uint64_t offset_ = 0;     // of what was read
  std::string first_line_;  // another one: the file was begun anew
};

/// A curve of at most so many points: of each stretch its last one.
Curve thinned(const Curve& curve, size_t most);

/// The last `most` warnings of the run's log.
std::vector<std::string> last_warnings(const std::string& folder, size_t most);
/// Pictures and animations of the newest validation, by path, `most` of them.
std::vector<std::string> last_pictures(const std::string& folder, size_t most);
/// The newest validation's report.html, "" where there is none.
std::string last_report(const std::string& folder);

}  // namespace bevgrad
