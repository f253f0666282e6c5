// What an exported model takes, as a file: a group a frame, a dataset an input.
#pragma once
#include "deploy/onnx_export.h"
#include "export/onnx_parts.h"
#include "train/frame_stream.h"

namespace bevgrad {

/// Writes options.feeds for the frames that the options name, and options.labels for those of a val set. Throws
/// UsageError where the frames do not fit the model.
void write_feeds(const configs::Document& document, const OnnxExportOptions& options, TrainedNetwork& trained,
                 const OnnxParts& parts);

}  // namespace bevgrad
