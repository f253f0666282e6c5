#include <algorithm>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "base/error.h"
#include "base/text.h"
#include "formats/npz/file.h"
#include "internal/argoverse2/log.h"
#include "internal/json_file.h"

namespace bevgrad {

namespace {

using Json = nlohmann::json;

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

std::string color_of_mark(const std::string& type) {
  return type.ends_with("_WHITE")    ? "white"
         : type.ends_with("_YELLOW") ? "yellow"
         : type.ends_with("_BLUE")   ? "blue"
                                     : "";
}

/// The kind of a mark, by its pattern. Empty: nothing is painted, or nobody knows what.
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
      if (line.size() > 1 && once.is_new(line))
        map.features.push_back(
            {.kind = kind, .points = std::move(line), .color = color_of_mark(type.get<std::string>())});
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
  const Json json = read_json_file(path);
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
    map.features.push_back({.kind = "crosswalk", .closed = true, .points = std::move(outline)});
  }
  for (const auto& [id, area] : entry(json, "drivable_areas", path).items()) {
    std::vector<Vec3> outline =
        points(area, "area_boundary", fmt::format("{}: drivable_areas.{}", path, printable(id)));
    if (outline.size() < 3) continue;
    map.features.push_back({.kind = "drivable", .closed = true, .points = outline});
    outline.push_back(outline.front());
    map.features.push_back({.kind = "boundary", .points = std::move(outline)});
  }
  return map;
}

Av2GroundHeight::Av2GroundHeight(const std::string& npy, const std::string& placement) {
  const Json json = read_json_file(placement);
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
  const StoredTensor heights = read_npy(open_file(npy));
  constexpr int64_t kMostSide = 1 << 20, kMostCells = int64_t{1} << 27;
  check(heights.sizes.size() == 2 && is_floating_point(heights.dtype) && heights.sizes[0] <= kMostSide &&
            heights.sizes[1] <= kMostSide && heights.numel() <= kMostCells,
        "{}: {}, expected a floating-point raster of at most {} cells", npy, describe(heights), kMostCells);
  rows_ = heights.sizes[0];
  columns_ = heights.sizes[1];
  const size_t item = item_size(heights.dtype);
  heights_.reserve(static_cast<size_t>(heights.numel()));
  for_each_piece(heights, [&](std::span<const std::byte> piece) {
    for (size_t at = 0; at + item <= piece.size(); at += item)
      heights_.push_back(static_cast<float>(to_double(heights.dtype, piece.data() + at)));
  });
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
