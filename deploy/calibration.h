// Ranges of a trained network's activations over frames of a data set, and the config that holds them.
#pragma once
#include <string>

#include "configs/document.h"
#include "nn/activation_ranges.h"
#include "train/frame_stream.h"

namespace bevgrad {

/// Measures `frames` frames of the config's training lists, the same number out of several drives; with temporal fusion
/// behind those that fill the history. Throws UsageError where there are none. `all_signed`: also those of activations
/// that are never negative.
ActivationRanges calibrate(const configs::Document& document, TrainedNetwork& trained, int64_t frames, bool all_signed);

struct CalibrationOptions {
  std::string ckpt;
  int64_t frames = 32;
  std::string out;  ///< the config that is written: "int8.prototxt"
};

/// Writes the document's config with what was measured in `int8`.
void write_int8_config(const configs::Document& document, const CalibrationOptions& options, RunLog& log,
                       const Parts& parts);

/// The config with int8 switched off: what is measured, and what history for exported models is made with.
configs::Document in_floating_point(const configs::Document& document);

}  // namespace bevgrad
