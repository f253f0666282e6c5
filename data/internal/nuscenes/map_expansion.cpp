#include "internal/nuscenes/map_expansion.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/error.h"
#include "data/png_codec.h"
#include "internal/json_file.h"
#include "internal/limited_file.h"
#include "internal/nuscenes/json_rows.h"
#include "internal/outlines.h"

namespace bevgrad {

namespace {

struct Polygon {
  std::vector<Token> outline;
  std::vector<std::vector<Token>> holes;
};

struct Divider {
  Token line;
  std::vector<std::pair<Token, std::string>> segments;  ///< a node and the mark from it to the next
  std::string where;
};

struct Area {
  std::string kind;
  Token polygon;
  std::string where;
};

std::string kind_of_segment(const std::string& type) {
  const auto has = [&](const char* part) { return type.find(part) != std::string::npos; };
  if (type.empty() || type == "NIL") return "";
  const std::string kind = has("DASHED") ? "dashed" : has("SOLID") ? "solid" : "";
  return kind.empty() ? "divider" : has("DOUBLE") ? "double_" + kind : kind;
}

std::string color_of_segment(const std::string& type) {
  return type.ends_with("_WHITE") ? "white" : type.ends_with("_YELLOW") ? "yellow" : "";
}

/// The lists of a map expansion, whose rows name each other in any order.
struct Expansion {
  std::unordered_map<Token, Vec2, TokenHash> nodes;
  std::unordered_map<Token, Polygon, TokenHash> polygons;
  std::unordered_map<Token, std::vector<Token>, TokenHash> lines;
  std::vector<Area> areas;
  std::vector<Divider> dividers;

  void add(const std::string& list, const TableRow& row) {
    if (list == "node") {
      nodes[row.token("token")] = {row.number("x"), row.number("y")};
    } else if (list == "polygon") {
      Polygon polygon{row.tokens("exterior_node_tokens"), {}};
      const nlohmann::json& holes = row.at("holes");
      check(holes.is_array(), "{} is {}, expected a list", row.where("holes"), kind_of_json(holes));
      for (const auto& hole : holes) polygon.holes.push_back(TableRow(hole, hole_place_, 0).tokens("node_tokens"));
      polygons[row.token("token")] = std::move(polygon);
    } else if (list == "line") {
      lines[row.token("token")] = row.tokens("node_tokens");
    } else if (list == "drivable_area") {
      for (const Token polygon : row.tokens("polygon_tokens")) areas.push_back({"drivable", polygon, row.where()});
    } else if (list == "road_divider" || list == "lane_divider") {
      add_divider(list, row);
    } else {
      const char* kind = list == "ped_crossing" ? "crosswalk" : list == "stop_line" ? "stop_line" : "walkway";
      areas.push_back({kind, row.token("polygon_token"), row.where()});
    }
  }

  void add_divider(const std::string& list, const TableRow& row) {
    Divider divider{row.token("line_token"), {}, row.where()};
    if (list == "lane_divider") {
      const nlohmann::json& segments = row.at("lane_divider_segments");
      check(segments.is_array(), "{} is {}, expected a list", row.where("lane_divider_segments"),
            kind_of_json(segments));
      const std::string place = row.where("lane_divider_segments");
      for (size_t i = 0; i < segments.size(); ++i) {
        const TableRow segment(segments[i], place, static_cast<int64_t>(i));
        divider.segments.emplace_back(segment.token("node_token"), segment.text("segment_type"));
      }
    }
    dividers.push_back(std::move(divider));
  }

  std::vector<Vec3> points_of(const std::vector<Token>& tokens, const std::string& where) const {
    std::vector<Vec3> points;
    for (const Token token : tokens) {
      const auto node = nodes.find(token);
      check(node != nodes.end(), "{} names a node that 'node' does not have", where);
      points.push_back({node->second.x, node->second.y, 0});
    }
    return points;
  }

  void place_area(const Area& area, VectorMap& map) const {
    const auto found = polygons.find(area.polygon);
    check(found != polygons.end(), "{} names a polygon that 'polygon' does not have", area.where);
    std::vector<Vec3> outline = points_of(found->second.outline, area.where);
    if (outline.size() < 3) return;
    std::vector<std::vector<Vec3>> holes;
    for (const auto& hole : found->second.holes) holes.push_back(points_of(hole, area.where));
    if (area.kind == "drivable") {
      holes.push_back(outline);
      for (std::vector<Vec3> edge : holes) {
        if (edge.size() < 3) continue;
        edge.push_back(edge.front());
        map.features.push_back({.kind = "boundary", .points = std::move(edge), .has_height = false});
      }
      holes.pop_back();
    }
    map.features.push_back({.kind = area.kind,
                            .closed = true,
                            .points = outline_with_holes(std::move(outline), holes),
                            .has_height = false});
  }

  /// A line for every run of segments of one type.
  void place_divider(const Divider& divider, VectorMap& map) const {
    if (divider.segments.empty()) {
      const auto line = lines.find(divider.line);
      check(line != lines.end(), "{} names a line that 'line' does not have", divider.where);
      map.features.push_back(
          {.kind = "divider", .points = points_of(line->second, divider.where), .has_height = false});
      return;
    }
    std::vector<Token> run;
    for (size_t i = 0; i < divider.segments.size(); ++i) {
      const auto& [node, type] = divider.segments[i];
      run.push_back(node);
      const bool is_last = i + 1 == divider.segments.size();
      if (i == 0 || (!is_last && type == divider.segments[i - 1].second)) continue;
      const std::string& made = divider.segments[i - 1].second;
      const std::string kind = kind_of_segment(made);
      if (!kind.empty())
        map.features.push_back({.kind = kind,
                                .points = points_of(run, divider.where),
                                .color = color_of_segment(made),
                                .has_height = false});
      run = {node};
    }
  }

 private:
  const std::string hole_place_ = "a polygon's hole";
};

}  // namespace

const std::vector<std::string>& nuscenes_map_kinds() {
  static const std::vector<std::string> kinds = {"solid",     "double_solid", "dashed",   "double_dashed", "divider",
                                                 "crosswalk", "stop_line",    "drivable", "boundary",      "walkway"};
  return kinds;
}

const std::vector<std::string>& drivable_kinds() {
  static const std::vector<std::string> kinds = {"drivable", "boundary"};
  return kinds;
}

VectorMap read_nuscenes_map(const std::string& path) {
  Expansion expansion;
  const std::vector<std::string> lists = {"node",         "polygon",      "line",      "drivable_area", "road_divider",
                                          "lane_divider", "ped_crossing", "stop_line", "walkway"};
  for_each_row(
      path, [&](const std::string& name) { return std::find(lists.begin(), lists.end(), name) != lists.end(); },
      [&](const std::string& list, const TableRow& row) { expansion.add(list, row); });
  VectorMap map;
  for (const Area& area : expansion.areas) expansion.place_area(area, map);
  for (const Divider& divider : expansion.dividers) expansion.place_divider(divider, map);
  return map;
}

namespace {

constexpr double kPixel = 0.1;  // metres
constexpr int64_t kMostRasterPixels = 1'000'000'000;
/// Of an outline from its pixels' edges.
constexpr double kTolerance = 0.1;

}  // namespace

DrivableRaster::DrivableRaster(const std::string& path) {
  const std::string bytes = read_limited_file(path);
  const PngSize size = read_png_rows({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, path,
                                     kMostRasterPixels, [&](int64_t row, std::span<const uint8_t> values) {
                                       const auto width = static_cast<int64_t>(values.size());
                                       bits_.resize(static_cast<size_t>(((row + 1) * width + 7) / 8));
                                       for (int64_t c = 0; c < width; ++c)
                                         if (values[static_cast<size_t>(c)] > 0)
                                           bits_[static_cast<size_t>((row * width + c) / 8)] |=
                                               1 << (row * width + c) % 8;
                                     });
  width_ = size.width;
  height_ = size.height;
}

bool DrivableRaster::at(int64_t row, int64_t column) const {
  if (row < 0 || column < 0 || row >= height_ || column >= width_) return false;
  const int64_t cell = row * width_ + column;
  return (bits_[static_cast<size_t>(cell / 8)] >> cell % 8 & 1) != 0;
}

VectorMap DrivableRaster::outlines(Vec2 low, Vec2 high) const {
  constexpr double kWidest = 5000;  // metres
  check(high.x - low.x < kWidest && high.y - low.y < kWidest, "a drive of over {} m", kWidest);
  const auto first = static_cast<int64_t>(std::floor(low.x / kPixel)),
             bottom = static_cast<int64_t>(std::floor(low.y / kPixel));
  const auto columns = static_cast<int64_t>(std::ceil(high.x / kPixel)) - first;
  const auto rows = static_cast<int64_t>(std::ceil(high.y / kPixel)) - bottom;
  std::vector<uint8_t> cells(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      cells[static_cast<size_t>(r * columns + c)] = at(height_ - 1 - (bottom + r), first + c);
  VectorMap map;
  std::vector<std::vector<Vec3>> rings;
  for (const std::vector<Vec2>& outline : cell_outlines(cells, rows, columns, kTolerance / kPixel)) {
    std::vector<Vec3> ring;
    for (const Vec2 p : outline)
      ring.push_back({(p.x + static_cast<double>(first)) * kPixel, (p.y + static_cast<double>(bottom)) * kPixel, 0});
    rings.push_back(ring);
    ring.push_back(ring.front());
    map.features.push_back({.kind = "boundary", .points = std::move(ring), .has_height = false});
  }
  if (rings.empty()) return map;
  std::vector<Vec3> outline = std::move(rings.back());
  rings.pop_back();
  // By the even-odd rule islands and separate areas are alike.
  map.features.push_back({.kind = "drivable",
                          .closed = true,
                          .points = outline_with_holes(std::move(outline), rings),
                          .has_height = false});
  return map;
}

}  // namespace bevgrad
