// Scalars out of TensorBoard's event files: the learning curves of a report.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bevgrad {

struct CurvePoint {
  int64_t step = 0;
  double value = 0;
};

/// By tag, in the file's order. A file that breaks off (a run that was killed) or is damaged gives what lies before
/// that. Throws Error naming the file where it cannot be read.
std::map<std::string, std::vector<CurvePoint>> read_event_scalars(const std::string& path);

/// Every "events.out.tfevents.*" of a folder, in the order of their names; of two values at one step the later one
/// stays. Curves of more than `most` points are thinned evenly.
std::map<std::string, std::vector<CurvePoint>> read_run_curves(const std::string& folder, size_t most = 400);

}  // namespace bevgrad
