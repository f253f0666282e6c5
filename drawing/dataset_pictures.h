// What a dataset holds, drawn before anything is trained on it.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include "data/dataset.h"

namespace bevgrad {

struct DatasetDrawing {
  int64_t most = 12;             ///< pictures, spread over the dataset
  double history_seconds = 3.5;  ///< how far back earlier frames are drawn; 0: none
  int64_t animated_frames = 0;   ///< of the first sequence, in one animated picture, too
  /// What every sample is changed by, with its entry in the dataset; empty: nothing.
  std::function<void(Sample& sample, int64_t entry)> change = {};
};

/// Writes `folder`/<key>.png for some samples: the cameras with a grid on the ground, labels, LiDAR points (by
/// distance) and boxes on them; labels and LiDAR from above; and earlier frames where their poses put them. Returns how
/// many. Throws for a sample that cannot be read and a picture that cannot be written.
int64_t draw_dataset(const Dataset& dataset, const std::string& folder, const DatasetDrawing& drawing);

}  // namespace bevgrad
