// Ranges of a network's activations over frames of a data set.
#pragma once
#include "configs/document.h"
#include "export/precision.h"
#include "train/frame_stream.h"

namespace bevgrad {

/// Measures `frames` frames of the config's training lists, the same number out of several drives; with temporal fusion
/// behind those that fill the history. Throws UsageError
/// where there are none. `all_signed`: also those of activations that are never negative.
ActivationRanges calibrate(const configs::Document& document, TrainedNetwork& trained, int64_t frames, bool all_signed);

}  // namespace bevgrad
