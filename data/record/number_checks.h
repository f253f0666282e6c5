// The checks that the parts of a record share.
#pragma once
#include <cmath>

#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// The number itself, which must be finite and within low..high.
inline double checked_number(double value, double low, double high, const RecordOrigin& origin, const char* field) {
  check(std::isfinite(value) && value >= low && value <= high, "{} is {}, expected a number from {} to {}",
        origin.at(field), value, low, high);
  return value;
}

inline int checked_class(uint32_t value, int classes, const RecordOrigin& origin, const char* field) {
  check(value < static_cast<uint32_t>(classes), "{} is {}, expected a class below {}", origin.at(field), value,
        classes);
  return static_cast<int>(value);
}

/// Text of a record with its control characters replaced, so that a message stays one line.
std::string printable(std::string text);

/// CRC-32 of zlib.
uint32_t checksum(const std::string& bytes);
void check_checksum(const std::string& bytes, uint32_t expected, const RecordOrigin& origin, const std::string& field);

/// A rigid transform from 16 numbers.
Pose checked_pose(const google::protobuf::RepeatedField<double>& values, const RecordOrigin& origin,
                  const std::string& field);
void store_pose(const Pose& pose, google::protobuf::RepeatedField<double>* values);

}  // namespace bevgrad
