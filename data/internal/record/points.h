// A record's LiDAR points.
#pragma once
#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// `points`: float32 [P,4].
void store_points(const Tensor& points, const EncodeOptions& encoding, record::Points* out);
Tensor load_points(const record::Points& stored, const RecordOrigin& origin);

}  // namespace bevgrad
