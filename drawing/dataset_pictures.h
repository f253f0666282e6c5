// What a dataset holds, drawn before anything is trained on it.
#pragma once
#include <cstdint>
#include <string>

#include "data/dataset.h"

namespace bevgrad {

/// Writes `folder`/<key>.png for `most` samples at most, spread over the dataset: the cameras with LiDAR points (by
/// distance) and boxes on them, and labels and LiDAR from above. Returns how many. Throws for a sample that cannot be
/// read and a picture that cannot be written.
int64_t draw_dataset(const Dataset& dataset, const std::string& folder, int64_t most);

}  // namespace bevgrad
