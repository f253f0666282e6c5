// What a run left behind, read back: its metrics, config, learning curves and pictures.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "drawing/report/event_curves.h"
#include "evaluation/headline.h"
#include "evaluation/table.h"

namespace bevgrad {

struct RunResults {
  std::string name;          ///< how the report calls it
  std::string metrics_path;  ///< the metrics.json that was read
  std::string config;        ///< text, "" where the run has none
  std::string log;           ///< the log's last lines
  int64_t frames = 0;
  std::vector<std::string> remarks;
  std::map<std::string, double> headline;
  std::vector<std::string> sequences;                     ///< that the headline was taken over
  std::map<std::string, std::vector<double>> replicates;  ///< of the headline's figures, see Headline
  std::vector<Table> tables;
  std::map<std::string, std::vector<CurvePoint>> curves;

  Headline headline_with_intervals() const { return {headline, sequences, replicates}; }
  /// Null where the run has no such table.
  const Table* table(const std::string& name) const;
};

/// `path`: a run's folder, with metrics.json in it or in its newest val_<step>, or a metrics.json itself. Throws
/// UsageError where there is none, Error where it is damaged.
RunResults read_run(const std::string& path, const std::string& name = "");

/// The runs that a path stands for: itself, or, where it is a folder of which only folders in it are runs (of `bevgrad
/// run --seeds`), those in the order of their names. Throws as read_run.
std::vector<std::string> runs_in(const std::string& path);

/// Where a run's picture of a sample lies, or "" where it has none: <folder of metrics.json>/pictures/<val
/// set>/<key>.png.
std::string find_picture(const RunResults& run, const std::string& val_set, const std::string& key);

}  // namespace bevgrad
