// The checks that the parts of a record share.
#pragma once
#include <cmath>

#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// A field of an entry of a list, for messages: "boxes[17].yaw", "lane_shapes[0].xy[3]".
struct ItemField {
  const char* list;
  int index;
  const char* field;
  int element = -1;

  operator std::string() const;
};

/// The number itself, which must be finite and within low..high.
inline double checked_number(double value, double low, double high, const RecordOrigin& origin, const char* field) {
  check(std::isfinite(value) && value >= low && value <= high, "{} is {}, expected a number from {} to {}",
        origin.at(field), value, low, high);
  return value;
}

inline double checked_number(double value, double low, double high, const RecordOrigin& origin,
                             const ItemField& field) {
  if (!(std::isfinite(value) && value >= low && value <= high))
    checked_number(value, low, high, origin, std::string(field).c_str());
  return value;
}

/// Radians within two turns: more are degrees.
double checked_angle(double value, const RecordOrigin& origin, const ItemField& field);

/// The class of an entry of `list`, which is below `classes`: as many as the record's list `names` has.
int checked_class(uint32_t value, int classes, const RecordOrigin& origin, const ItemField& field, const char* names);

/// CRC-32 of zlib.
uint32_t checksum(const std::string& bytes);
void check_checksum(const std::string& bytes, uint32_t expected, const RecordOrigin& origin, const std::string& field);

/// A rigid transform from 16 numbers.
Pose checked_pose(const google::protobuf::RepeatedField<double>& values, const RecordOrigin& origin,
                  const std::string& field);
void store_pose(const Pose& pose, google::protobuf::RepeatedField<double>* values);

}  // namespace bevgrad
