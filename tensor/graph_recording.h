// Whether work on a device is being recorded.
#pragma once

namespace bevgrad {

/// Whether what the calling thread does now becomes part of a recording (tensor/device_graph.h): it will run again with
/// other values of what may change, so nothing that is computed from such values may be kept or found.
bool is_recording_graph();

}  // namespace bevgrad
