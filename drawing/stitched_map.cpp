#include "drawing/stitched_map.h"

#include <algorithm>
#include <cmath>

#include "drawing/palette.h"

namespace bevgrad {
namespace {

int64_t floor_div(int64_t a, int64_t b) {
  return a >= 0 ? a / b : -((-a + b - 1) / b);
}

void count_up(uint8_t& count) {
  if (count < 255) ++count;
}

}  // namespace

StitchedMap::StitchedMap(LabelSchema labels, size_t max_tiles)
    : labels_(std::move(labels)),
      max_tiles_(max_tiles),
      classes_(labels_.lane_classes.size() + labels_.road_classes.size()) {}

template <class Present>
void StitchedMap::lay(int64_t rows, int64_t columns, const Pose& ego_pose, Present present) {
  const LabelGrid& grid = labels_.grid;
  check(rows == grid.rows() && columns == grid.columns(), "stitched map: a raster of {} x {} for a grid of {} x {}",
        rows, columns, grid.rows(), grid.columns());
  drive_.push_back({ego_pose.translation().x, ego_pose.translation().y});
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c) {
      const Vec3 world = ego_pose.apply({grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell,
                                         grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell, 0});
      if (!(std::abs(world.x) < 1e9 && std::abs(world.y) < 1e9)) continue;
      const auto ix = static_cast<int64_t>(std::floor(world.x / grid.cell)),
                 iy = static_cast<int64_t>(std::floor(world.y / grid.cell));
      const std::pair key{floor_div(ix, kTile), floor_div(iy, kTile)};
      auto found = tiles_.find(key);
      if (found == tiles_.end()) {
        if (tiles_.size() >= max_tiles_) {
          truncated_ = true;
          continue;
        }
        found = tiles_
                    .emplace(key, Tile{std::vector<uint8_t>(kTile * kTile * classes_, 0),
                                       std::vector<uint8_t>(kTile * kTile, 0)})
                    .first;
      }
      const int64_t cell = (iy - key.second * kTile) * kTile + ix - key.first * kTile;
      count_up(found->second.seen[static_cast<size_t>(cell)]);
      for (size_t k = 0; k < classes_; ++k)
        if (present(k, r, c)) count_up(found->second.votes[static_cast<size_t>(cell) * classes_ + k]);
    }
}

void StitchedMap::add(const ProbabilityRaster& lane, const ProbabilityRaster& road, float lane_threshold,
                      float road_threshold, const Pose& ego_pose) {
  const auto& any = lane.empty() ? road : lane;
  const size_t lanes = labels_.lane_classes.size();
  check((lane.empty() || lane.channels == static_cast<int64_t>(lanes)) &&
            (road.empty() || road.channels == static_cast<int64_t>(labels_.road_classes.size())),
        "stitched map: rasters of {} and {} classes", lane.channels, road.channels);
  lay(any.rows, any.columns, ego_pose, [&](size_t k, int64_t r, int64_t c) {
    if (k < lanes) return !lane.empty() && lane.at(static_cast<int64_t>(k), r, c) >= lane_threshold;
    return !road.empty() && road.at(static_cast<int64_t>(k - lanes), r, c) >= road_threshold;
  });
}

void StitchedMap::add(const LabelRaster& lane, const LabelRaster& road, const Pose& ego_pose) {
  const auto certain = [](const LabelRaster& labels) {
    ProbabilityRaster p(labels.channels, labels.rows, labels.columns);
    for (size_t i = 0; i < p.values.size(); ++i) p.values[i] = labels.values[i] == 1;
    return p;
  };
  add(certain(lane), certain(road), 0.5f, 0.5f, ego_pose);
}

StitchedMap::Place StitchedMap::place(const Tile& tile, int64_t cell) const {
  Place place{tile.seen[static_cast<size_t>(cell)], -1};
  int best = 0;
  for (size_t k = 0; k < classes_; ++k) {
    const int votes = tile.votes[static_cast<size_t>(cell) * classes_ + k];
    if (votes > best && 2 * votes >= place.seen) {
      best = votes;
      place.class_id = static_cast<int>(k);
    }
  }
  return place;
}

StitchedMap::Place StitchedMap::at(Vec2 world) const {
  const auto ix = static_cast<int64_t>(std::floor(world.x / labels_.grid.cell)),
             iy = static_cast<int64_t>(std::floor(world.y / labels_.grid.cell));
  const auto found = tiles_.find({floor_div(ix, kTile), floor_div(iy, kTile)});
  if (found == tiles_.end()) return {};
  return place(found->second, (iy - found->first.second * kTile) * kTile + ix - found->first.first * kTile);
}

Canvas StitchedMap::draw(int pixels) const {
  constexpr double kLegendWidth = 190, kMargin = 14;
  if (tiles_.empty()) {
    Canvas canvas(400, 80, kPaper);
    canvas.text(kMargin, 40, "No frame was laid into the map", 13, kInk);
    return canvas;
  }
  std::pair<int64_t, int64_t> low = tiles_.begin()->first, high = low;
  for (const auto& [key, tile] : tiles_) {
    low = {std::min(low.first, key.first), std::min(low.second, key.second)};
    high = {std::max(high.first, key.first), std::max(high.second, key.second)};
  }
  const double columns = static_cast<double>((high.first - low.first + 1) * kTile),
               rows = static_cast<double>((high.second - low.second + 1) * kTile);
  const double scale = std::min(2.0, pixels / std::max(columns, rows));  // pixels a cell
  const Rect area{kMargin, kMargin, columns * scale, rows * scale};
  Canvas canvas(static_cast<int>(area.w + 3 * kMargin + kLegendWidth),
                static_cast<int>(std::max(area.h + 2 * kMargin + 24, 300.0)), kPaper);
  canvas.fill(area, kGround);
  for (const auto& [key, tile] : tiles_) {
    Pixels picture{kTile, kTile, {}};
    for (int64_t y = kTile - 1; y >= 0; --y)
      for (int64_t x = 0; x < kTile; ++x) {
        const Place here = place(tile, y * kTile + x);
        const auto lanes = static_cast<int>(labels_.lane_classes.size());
        const Color color = here.class_id >= lanes ? road_color(static_cast<size_t>(here.class_id - lanes))
                            : here.class_id >= 0   ? lane_color(static_cast<size_t>(here.class_id))
                            : here.seen > 0        ? kGridLine
                                                   : kGround;
        for (const double v : {color.r, color.g, color.b})
          picture.rgb.push_back(static_cast<uint8_t>(std::lround(v * 255)));
      }
    canvas.image(
        picture,
        {area.x + static_cast<double>((key.first - low.first) * kTile) * scale,
         area.y + static_cast<double>((high.second - key.second) * kTile) * scale, kTile * scale, kTile * scale},
        scale < 1);
  }
  const double cell = labels_.grid.cell;
  const auto to_canvas = [&](Vec2 world) {
    return Vec2{area.x + (world.x / cell - static_cast<double>(low.first * kTile)) * scale,
                area.y + area.h - (world.y / cell - static_cast<double>(low.second * kTile)) * scale};
  };
  std::vector<Vec2> drive;
  for (const Vec2 p : drive_) drive.push_back(to_canvas(p));
  canvas.line(drive, kEgo, 2);
  if (!drive.empty()) canvas.circle(drive.front(), 4, kEgo);

  double bar = 10;
  while (bar / cell * scale < 60) bar *= bar == 10 || bar == 100 || bar == 1000 ? 2.5 : 2;
  const double y = area.y + area.h + 16;
  canvas.line(std::vector<Vec2>{{area.x, y}, {area.x + bar / cell * scale, y}}, kInk, 2);
  canvas.text(area.x + bar / cell * scale + 8, y, fmt::format("{:g} m", bar), 10, kInk);
  double at = area.y + 8;
  const auto entry = [&](Color color, const std::string& name) {
    canvas.fill({area.x + area.w + kMargin, at - 5, 16, 10}, color);
    canvas.stroke({area.x + area.w + kMargin - 0.5, at - 5.5, 17, 11}, kFaintInk, 0.6);
    canvas.text(area.x + area.w + kMargin + 22, at, name, 10, kInk);
    at += 14;
  };
  for (size_t i = 0; i < labels_.lane_classes.size(); ++i) entry(lane_color(i), labels_.lane_classes[i]);
  for (size_t i = 0; i < labels_.road_classes.size(); ++i) entry(road_color(i), labels_.road_classes[i]);
  entry(kGridLine, "seen, nothing there");
  entry(kEgo, "drive, from the dot");
  return canvas;
}

}  // namespace bevgrad
