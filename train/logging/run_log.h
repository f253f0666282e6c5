// The log of a run: lines to the console and, with the time in front, to a text file, and one line of progress.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace bevgrad {

/// Progress of a loop, for a person.
struct Progress {
  std::string what;  ///< "train", "val"
  int64_t done = 0;
  int64_t total = 0;
  double rate = 0;    ///< steps a second
  double loss = 0;    ///< not shown where it is not finite and above 0
  double lr = 0;      ///< not shown where it is 0
  double memory = 0;  ///< resident bytes
};

/// "train 120/300 40% 3.2/s ETA 0:56 loss 1.234 lr 0.002 mem 1.2 GB"
std::string to_string(const Progress& progress);
/// "1:02:03", "0:07".
std::string format_duration(double seconds);

class RunLog {
 public:
  /// Lines are appended to `file` (none where it is empty). On a terminal progress() redraws one line in place;
  /// elsewhere it prints a plain line.
  explicit RunLog(const std::string& file = "", bool quiet = false);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  /// To console and file. Several lines are split.
  void info(const std::string& text);
  /// To the standard error stream (with "warning: " in front) and the file.
  void warn(const std::string& text);
  void progress(const Progress& progress);
  /// To the file alone.
  void to_file(const std::string& line);
  /// Whether progress() draws in place (and so may be called often).
  bool is_live() const;
  /// From now on it keeps warnings to itself too: for all ranks of a run but the first.
  void silence();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// Bytes that the process holds in memory now, and the most that it ever held.
double resident_bytes();
double peak_resident_bytes();

}  // namespace bevgrad
