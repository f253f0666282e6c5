#include "internal/record/number_checks.h"

#include <zlib.h>

#include <numbers>

namespace bevgrad {

ItemField::operator std::string() const {
  std::string text = fmt::format("{}[{}].{}", list, index, field);
  if (element >= 0) text += fmt::format("[{}]", element);
  return text;
}

double checked_angle(double value, const RecordOrigin& origin, const ItemField& field) {
  constexpr double kMost = 4 * std::numbers::pi;
  if (!(std::isfinite(value) && std::abs(value) <= kMost))
    fail("{} is {}, expected radians from -4 pi to 4 pi{}", origin.at(std::string(field)), value,
         std::abs(value) <= 720 ? " (these may be degrees)" : "");
  return value;
}

int checked_class(uint32_t value, int classes, const RecordOrigin& origin, const ItemField& field, const char* names) {
  if (value >= static_cast<uint32_t>(classes))
    fail("{} is {}, expected a class below {}: {} has {} names", origin.at(std::string(field)), value, classes, names,
         classes);
  return static_cast<int>(value);
}

uint32_t checksum(const std::string& bytes) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

void check_checksum(const std::string& bytes, uint32_t expected, const RecordOrigin& origin, const std::string& field) {
  uint32_t found = checksum(bytes);
  check(found == expected, "{} is damaged: its checksum is {:08x}, expected {:08x}", origin.at(field), found, expected);
}

Pose checked_pose(const google::protobuf::RepeatedField<double>& values, const RecordOrigin& origin,
                  const std::string& field) {
  check(values.size() == 16, "{} has {} numbers, expected 16", origin.at(field), values.size());
  Pose pose;
  for (int i = 0; i < 16; ++i) {
    check(std::isfinite(values[i]) && std::abs(values[i]) < 1e9,
          "{}[{}] is {}, expected a finite number of at most 1e9 metres", origin.at(field), i, values[i]);
    pose.m[static_cast<size_t>(i)] = values[i];
  }
  check(pose.is_rigid(), "{} is not a rotation with a translation", origin.at(field));
  return pose;
}

void store_pose(const Pose& pose, google::protobuf::RepeatedField<double>* values) {
  values->Clear();
  for (double value : pose.m) values->Add(value);
}

}  // namespace bevgrad
