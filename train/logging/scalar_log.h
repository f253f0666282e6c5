// The numbers of a run as text files for other programs: scalars.jsonl and scalars.csv beside TensorBoard's events.
#pragma once
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace bevgrad {

using Scalars = std::vector<std::pair<std::string, double>>;

/// {"step": 20, "time": 1700000000.5, "train/loss": 1.25, ...}, one line for what was said together; a number that is
/// not finite is null. In the CSV a line for each: step,time,name,value.
class ScalarLog {
 public:
  /// Goes on behind what the files of `folder` say up to `step`; what they say of later ones, which an interrupted run
  /// wrote beyond the checkpoint that this one goes on from, is dropped. Throws Error naming the file.
  ScalarLog(const std::string& folder, int64_t step);

  /// Throws Error where it could not be written.
  void add(int64_t step, const Scalars& scalars);

 private:
  std::string jsonl_path_, csv_path_;
  std::ofstream jsonl_, csv_;
};

}  // namespace bevgrad
