// A record's LiDAR points.
#pragma once
#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// `points`: float32 [P,4].
void store_points(const Tensor& points, const EncodeOptions& encoding, records::Points* out);
Tensor load_points(const records::Points& stored, const RecordOrigin& origin);

}  // namespace bevgrad
