// A record's LiDAR points.
#pragma once
#include <optional>

#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// `points`: float32 [P,4].
void store_points(const Tensor& points, const EncodeOptions& encoding, records::Points* out);
void store_lidar(const Vec3& sensor, records::Points* out);
/// Nothing where the record does not say it.
std::optional<Vec3> load_lidar(const records::Points& stored, const RecordOrigin& origin);
Tensor load_points(const records::Points& stored, const RecordOrigin& origin);

}  // namespace bevgrad
