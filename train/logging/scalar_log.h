// The numbers of a run as text files for other programs: scalars.jsonl and scalars.csv beside TensorBoard's events.
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/append_file.h"

namespace bevgrad {

using Scalars = std::vector<std::pair<std::string, double>>;

/// {"step": 20, "time": 1700000000.5, "train/loss": 1.25, ...}, one line for what was said together; a number that is
/// not finite is null. In the CSV a line for each: step,time,name,value.
class ScalarLog {
 public:
  /// Goes on behind what the files of `folder` say up to `step`; what they say of later ones, which an interrupted run
  /// wrote beyond the checkpoint that this one goes on from, is dropped. Throws Error naming the file.
  ScalarLog(const std::string& folder, int64_t step);

  /// To both files, to each whole or not at all. Throws Error where one could not be written.
  void add(int64_t step, const Scalars& scalars);

 private:
  AppendFile jsonl_, csv_;
};

}  // namespace bevgrad
