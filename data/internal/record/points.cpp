#include "internal/record/points.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "internal/record/number_checks.h"

namespace bevgrad {

namespace {

static_assert(std::endian::native == std::endian::little, "records are little-endian");

constexpr uint32_t kMaxPoints = 4u << 20;
constexpr float kFarthest = 1e6f;
constexpr size_t kQuantisedBytes = 7, kFloatBytes = 16;

bool fits(const float* values, int64_t count, double unit) {
  const double reach = 32767 * unit;
  for (int64_t i = 0; i < count; ++i)
    for (int k = 0; k < 3; ++k)
      if (std::abs(values[i * 4 + k]) > reach) return false;
  return true;
}

std::string quantise(const float* values, int64_t count, double unit) {
  std::string bytes(static_cast<size_t>(count) * kQuantisedBytes, '\0');
  for (int64_t i = 0; i < count; ++i) {
    char* out = bytes.data() + static_cast<size_t>(i) * kQuantisedBytes;
    for (int k = 0; k < 3; ++k) {
      auto position = static_cast<int16_t>(std::lround(values[i * 4 + k] / unit));
      std::memcpy(out + k * 2, &position, 2);
    }
    out[6] = static_cast<char>(static_cast<uint8_t>(std::lround(std::clamp(values[i * 4 + 3], 0.0f, 1.0f) * 255)));
  }
  return bytes;
}

void unpack(const std::string& bytes, int64_t count, double unit, float* values) {
  for (int64_t i = 0; i < count; ++i) {
    const char* in = bytes.data() + static_cast<size_t>(i) * kQuantisedBytes;
    for (int k = 0; k < 3; ++k) {
      int16_t position;
      std::memcpy(&position, in + k * 2, 2);
      values[i * 4 + k] = static_cast<float>(position * unit);
    }
    values[i * 4 + 3] = static_cast<float>(static_cast<uint8_t>(in[6])) / 255.0f;
  }
}

}  // namespace

void store_points(const Tensor& points, const EncodeOptions& encoding, records::Points* out) {
  check(points.defined() && points.dtype() == DType::Float32 && points.dim() == 2 && points.size(1) == 4 &&
            points.is_contiguous() && points.size(0) <= kMaxPoints,
        "store_points: expected contiguous float32 [P,4], got {}", points.defined() ? describe(points) : "nothing");
  const int64_t count = points.size(0);
  const float* values = points.data<const float>();
  for (int64_t i = 0; i < count * 4; ++i)
    check(std::isfinite(values[i]), "points[{}][{}] is {}, expected a finite number", i / 4, i % 4, values[i]);
  for (int64_t i = 0; i < count; ++i)
    check(values[i * 4 + 3] >= 0 && values[i * 4 + 3] <= 1, "points[{}][3] is {}, expected an intensity from 0 to 1", i,
          values[i * 4 + 3]);
  out->set_count(static_cast<uint32_t>(count));
  if (encoding.quantise_points && fits(values, count, encoding.position_unit)) {
    out->set_position_unit(encoding.position_unit);
    out->set_quantised(quantise(values, count, encoding.position_unit));
    out->set_crc32(checksum(out->quantised()));
  } else {
    out->set_float32(std::string(reinterpret_cast<const char*>(values), points.nbytes()));
    out->set_crc32(checksum(out->float32()));
  }
}

void store_lidar(const Vec3& sensor, records::Points* out) {
  out->clear_sensor();
  for (const double value : {sensor.x, sensor.y, sensor.z}) out->add_sensor(static_cast<float>(value));
}

std::optional<Vec3> load_lidar(const records::Points& stored, const RecordOrigin& origin) {
  if (stored.sensor_size() == 0) return std::nullopt;
  check(stored.sensor_size() == 3, "{} has {} numbers, expected 3", origin.at("points.sensor"), stored.sensor_size());
  const auto at = [&](int i) { return checked_number(stored.sensor(i), -1e3, 1e3, origin, "points.sensor"); };
  return Vec3{at(0), at(1), at(2)};
}

Tensor load_points(const records::Points& stored, const RecordOrigin& origin) {
  check(stored.count() <= kMaxPoints, "{} is {}, expected at most {}", origin.at("points.count"), stored.count(),
        kMaxPoints);
  const bool quantised = stored.encoding_case() == records::Points::kQuantised;
  check(quantised || stored.encoding_case() == records::Points::kFloat32, "{} has neither float32 nor quantised values",
        origin.at("points"));
  const std::string& bytes = quantised ? stored.quantised() : stored.float32();
  const size_t expected = stored.count() * (quantised ? kQuantisedBytes : kFloatBytes);
  check(bytes.size() == expected, "{} has {} bytes, expected {} for {} points", origin.at("points"), bytes.size(),
        expected, stored.count());
  if (stored.has_crc32()) check_checksum(bytes, stored.crc32(), origin, "points");

  Tensor points = empty({static_cast<int64_t>(stored.count()), 4});
  float* values = points.data<float>();
  if (quantised) {
    double unit = checked_number(stored.position_unit(), 1e-6, 10, origin, "points.position_unit");
    unpack(bytes, stored.count(), unit, values);
  } else if (!bytes.empty()) {
    std::memcpy(values, bytes.data(), bytes.size());
  }
  for (int64_t i = 0; i < points.numel(); ++i) {
    if (i % 4 < 3)
      check(std::isfinite(values[i]) && std::abs(values[i]) < kFarthest,
            "{}[{}][{}] is {}, expected a finite number of less than {} metres", origin.at("points"), i / 4, i % 4,
            values[i], kFarthest);
    else
      check(values[i] >= 0 && values[i] <= 1, "{}[{}][3] is {}, expected an intensity from 0 to 1", origin.at("points"),
            i / 4, values[i]);
  }
  return points;
}

}  // namespace bevgrad
