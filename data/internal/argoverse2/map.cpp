#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/half.h"
#include "base/text.h"
#include "internal/argoverse2/log.h"

namespace bevgrad {

namespace {

using Json = nlohmann::json;

constexpr uintmax_t kMostBytes = uintmax_t{256} << 20;

Json read_json(const std::string& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  check(!error && size <= kMostBytes, "{}: {}", path,
        error ? error.message() : fmt::format("{} bytes, expected at most {}", size, kMostBytes));
  std::ifstream in(path, std::ios::binary);
  Json json = Json::parse(in, nullptr, false);
  check(!json.is_discarded(), "{}: not JSON", path);
  return json;
}

const Json& entry(const Json& object, const char* name, const std::string& where) {
  check(object.is_object() && object.contains(name), "{} has no entry '{}'", where, name);
  return object.at(name);
}

double number(const Json& object, const char* name, const std::string& where) {
  const Json& value = entry(object, name, where);
  check(value.is_number() && std::isfinite(value.get<double>()), "{}.{}: expected a finite number", where, name);
  return value.get<double>();
}

std::vector<Vec3> points(const Json& object, const char* name, const std::string& where) {
  const Json& list = entry(object, name, where);
  check(list.is_array(), "{}.{}: expected a list of points", where, name);
  std::vector<Vec3> all;
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string at = fmt::format("{}.{}[{}]", where, name, i);
    all.push_back({number(list[i], "x", at), number(list[i], "y", at), number(list[i], "z", at)});
  }
  return all;
}

/// The kind of a mark, by its pattern: colours are not told apart. Empty: nothing is painted, or nobody knows what.
std::string kind_of_mark(const std::string& type) {
  const auto begins = [&](const char* pattern) { return type.starts_with(pattern); };
  if (begins("DOUBLE_SOLID")) return "double_solid";
  if (begins("DOUBLE_DASH")) return "double_dashed";
  if (begins("DASH_SOLID")) return "dashed_left_solid_right";
  if (begins("SOLID_DASH")) return "solid_left_dashed_right";
  if (begins("SOLID")) return "solid";
  if (begins("DASHED")) return "dashed";
  return "";
}

/// Two lanes that share a mark both list its points, in one order or the other.
class MarkedOnce {
 public:
  bool is_new(const std::vector<Vec3>& line) {
    std::vector<std::pair<double, double>> key;
    for (const Vec3& p : line) key.emplace_back(p.x, p.y);
    std::vector<std::pair<double, double>> back(key.rbegin(), key.rend());
    return seen_.insert(std::min(key, back)).second;
  }

 private:
  std::set<std::vector<std::pair<double, double>>> seen_;
};

void add_lane_marks(const Json& segments, const std::string& path, VectorMap& map) {
  MarkedOnce once;
  for (const auto& [id, segment] : segments.items()) {
    const std::string where = fmt::format("{}: lane_segments.{}", path, printable(id));
    for (const std::string side : {"left", "right"}) {
      const Json& type = entry(segment, (side + "_lane_mark_type").c_str(), where);
      check(type.is_string(), "{}.{}_lane_mark_type: expected a text", where, side);
      const std::string kind = kind_of_mark(type.get<std::string>());
      if (kind.empty()) continue;
      std::vector<Vec3> line = points(segment, (side + "_lane_boundary").c_str(), where);
      if (line.size() > 1 && once.is_new(line)) map.features.push_back({kind, false, std::move(line)});
    }
  }
}

}  // namespace

const std::vector<std::string>& av2_map_kinds() {
  static const std::vector<std::string> kinds = {
      "solid",     "double_solid", "dashed",  "double_dashed", "dashed_left_solid_right", "solid_left_dashed_right",
      "crosswalk", "drivable",     "boundary"};
  return kinds;
}

VectorMap read_av2_map(const std::string& path) {
  const Json json = read_json(path);
  VectorMap map;
  add_lane_marks(entry(json, "lane_segments", path), path, map);
  for (const auto& [id, crossing] : entry(json, "pedestrian_crossings", path).items()) {
    const std::string where = fmt::format("{}: pedestrian_crossings.{}", path, printable(id));
    std::vector<Vec3> outline = points(crossing, "edge1", where), other = points(crossing, "edge2", where);
    check(outline.size() > 1 && other.size() > 1, "{}: an edge of fewer than two points", where);
    // The two edges run side by side; turned the other way round the second closes the outline.
    if (norm(outline.back() - other.front()) < norm(outline.back() - other.back()))
      outline.insert(outline.end(), other.begin(), other.end());
    else
      outline.insert(outline.end(), other.rbegin(), other.rend());
    map.features.push_back({"crosswalk", true, std::move(outline)});
  }
  for (const auto& [id, area] : entry(json, "drivable_areas", path).items()) {
    std::vector<Vec3> outline =
        points(area, "area_boundary", fmt::format("{}: drivable_areas.{}", path, printable(id)));
    if (outline.size() < 3) continue;
    map.features.push_back({"drivable", true, outline});
    outline.push_back(outline.front());
    map.features.push_back({"boundary", false, std::move(outline)});
  }
  return map;
}

namespace {

/// The header of a NumPy file of version 1 to 3: a Python dict as text.
struct NpyHeader {
  std::string type;
  int64_t rows = 0, columns = 0;
  size_t data = 0;  // where the values begin
};

NpyHeader read_npy_header(const std::string& bytes, const std::string& path) {
  check(bytes.size() >= 12 && bytes.compare(0, 6, "\x93NUMPY") == 0, "{}: not a NumPy file", path);
  const bool is_first = bytes[6] == 1;
  uint32_t length = static_cast<uint8_t>(bytes[8]) | static_cast<uint32_t>(static_cast<uint8_t>(bytes[9])) << 8;
  if (!is_first)
    length |= static_cast<uint32_t>(static_cast<uint8_t>(bytes[10])) << 16 |
              static_cast<uint32_t>(static_cast<uint8_t>(bytes[11])) << 24;
  NpyHeader header;
  header.data = (is_first ? 10u : 12u) + size_t{length};
  check(header.data <= bytes.size(), "{}: a truncated NumPy file", path);
  const std::string text = bytes.substr(is_first ? 10 : 12, length);
  const size_t type = text.find("'descr': '"), shape = text.find("'shape': (");
  check(type != std::string::npos && shape != std::string::npos &&
            text.find("'fortran_order': False") != std::string::npos,
        "{}: expected a NumPy array in C order", path);
  header.type = text.substr(type + 10, text.find('\'', type + 10) - type - 10);
  long long rows = 0, columns = 0;
  check(std::sscanf(text.c_str() + shape, "'shape': (%lld, %lld)", &rows, &columns) == 2 && rows > 0 && columns > 0 &&
            rows < (1 << 20) && columns < (1 << 20),
        "{}: expected an array of two dimensions", path);
  header.rows = rows;
  header.columns = columns;
  return header;
}

}  // namespace

Av2GroundHeight::Av2GroundHeight(const std::string& npy, const std::string& placement) {
  const Json json = read_json(placement);
  scale_ = number(json, "s", placement);
  for (const auto& [name, values, count] : {std::tuple{"R", rotation_, 4}, std::tuple{"t", shift_, 2}}) {
    const Json& list = entry(json, name, placement);
    check(list.is_array() && list.size() == static_cast<size_t>(count), "{}.{}: expected {} numbers", placement, name,
          count);
    for (int i = 0; i < count; ++i) {
      check(list[static_cast<size_t>(i)].is_number(), "{}.{}[{}]: expected a number", placement, name, i);
      values[i] = list[static_cast<size_t>(i)].get<double>();
    }
  }
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(npy, error);
  check(!error && size <= kMostBytes, "{}: {}", npy,
        error ? error.message() : fmt::format("{} bytes, expected at most {}", size, kMostBytes));
  std::ifstream in(npy, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const NpyHeader header = read_npy_header(bytes, npy);
  rows_ = header.rows;
  columns_ = header.columns;
  const size_t width = header.type == "<f2" ? 2 : header.type == "<f4" ? 4 : header.type == "<f8" ? 8 : 0;
  check(width > 0, "{}: values of type '{}', expected float16, float32 or float64", npy, printable(header.type));
  const auto count = static_cast<size_t>(rows_) * static_cast<size_t>(columns_);
  check(bytes.size() - header.data >= count * width, "{}: a truncated NumPy file", npy);
  heights_.resize(count);
  for (size_t i = 0; i < count; ++i) {
    if (width == 2) {
      uint16_t bits;
      std::memcpy(&bits, bytes.data() + header.data + 2 * i, 2);
      heights_[i] = static_cast<float>(half_to_double(bits));
    } else if (width == 4) {
      std::memcpy(&heights_[i], bytes.data() + header.data + 4 * i, 4);
    } else {
      double value;
      std::memcpy(&value, bytes.data() + header.data + 8 * i, 8);
      heights_[i] = static_cast<float>(value);
    }
  }
}

std::optional<double> Av2GroundHeight::at(double x, double y) const {
  const double column = scale_ * (rotation_[0] * x + rotation_[1] * y + shift_[0]);
  const double row = scale_ * (rotation_[2] * x + rotation_[3] * y + shift_[1]);
  if (!(column >= 0 && row >= 0 && column < static_cast<double>(columns_) && row < static_cast<double>(rows_)))
    return std::nullopt;
  const float height = heights_[static_cast<size_t>(row) * static_cast<size_t>(columns_) + static_cast<size_t>(column)];
  return std::isfinite(height) ? std::optional<double>(height) : std::nullopt;
}

}  // namespace bevgrad
