#include "drawing/sample_picture.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/plain_name.h"
#include "drawing/bev_view.h"
#include "drawing/palette.h"

namespace bevgrad {
namespace {

constexpr double kMargin = 16, kGap = 14, kTitle = 50, kLegendWidth = 190, kScaleWidth = 30;

/// Largest finite value, for the scale of a row of heat maps.
double highest(const std::vector<FeaturePanel>& panels) {
  double high = 0;
  for (const auto& panel : panels)
    for (const float value : panel.norm.values)
      if (std::isfinite(value)) high = std::max(high, static_cast<double>(value));
  return high;
}

/// Where everything goes; computed first, so that the canvas has the size of what is on it.
struct Layout {
  size_t cameras_a_row = 1;
  std::vector<Rect> cameras, large, small;
  Rect legend;
  double width = 0, height = 0;
};

Layout lay_out(const SamplePicture& picture, const DrawingOptions& options, size_t num_large, size_t num_small) {
  Layout layout;
  const LabelGrid& grid = picture.labels.grid;
  const double scale = options.pixels_per_cell / grid.cell;
  const Rect large = BevView::area_at(0, 0, grid, scale);
  const double row_width =
      static_cast<double>(num_large) * (large.w + BevView::kLeft + kGap) + kScaleWidth + kLegendWidth + 2 * kMargin;
  // As few rows as cameras of a readable size allow, filled evenly.
  const double room = row_width - 2 * kMargin;
  const size_t count = std::max<size_t>(1, picture.cameras.size());
  const size_t most = std::max<size_t>(1, static_cast<size_t>(room / options.least_camera));
  const size_t rows = (count + most - 1) / most;
  layout.cameras_a_row = (count + rows - 1) / rows;
  const double camera_width = std::min(options.widest_camera, room / static_cast<double>(layout.cameras_a_row) - 6);
  double y = kMargin + kTitle, row_height = 0;
  for (size_t i = 0; i < picture.cameras.size(); ++i) {
    const auto& camera = picture.cameras[i].camera;
    if (i > 0 && i % layout.cameras_a_row == 0) {
      y += row_height + 6;
      row_height = 0;
    }
    const double height = camera_width * camera.height / std::max(camera.width, 1);
    layout.cameras.push_back(
        {kMargin + static_cast<double>(i % layout.cameras_a_row) * (camera_width + 6), y, camera_width, height});
    row_height = std::max(row_height, height);
  }
  y += row_height + (picture.cameras.empty() ? 0 : kGap);
  for (size_t i = 0; i < num_large; ++i)
    layout.large.push_back({kMargin + BevView::kLeft + static_cast<double>(i) * (large.w + BevView::kLeft + kGap),
                            y + BevView::kTop, large.w, large.h});
  layout.legend = {kMargin + static_cast<double>(num_large) * (large.w + BevView::kLeft + kGap) + kScaleWidth, y,
                   kLegendWidth, large.h + BevView::kTop};
  y += large.h + BevView::kTop + BevView::kBottom + kGap;
  const double small_scale = scale * 0.48;
  const Rect small = BevView::area_at(0, 0, grid, small_scale);
  for (size_t i = 0; i < num_small; ++i)
    layout.small.push_back({kMargin + BevView::kLeft + static_cast<double>(i) * (small.w + BevView::kLeft + 8),
                            y + BevView::kTop, small.w, small.h});
  if (num_small) y += small.h + BevView::kTop + BevView::kBottom + kGap;
  layout.width =
      std::max(row_width, 2 * kMargin + kScaleWidth + static_cast<double>(num_small) * (small.w + BevView::kLeft + 8));
  layout.height = y;
  return layout;
}

void draw_ground_grid(CameraView& view) {
  constexpr int kReach = 30, kStep = 5;
  const Color color = rgb(0xFFFFFF).with_alpha(0.3);
  for (int at = -kReach; at <= kReach; at += kStep) {
    const double d = at;
    view.ground_line(std::vector<Vec2>{{-kReach, d}, {kReach, d}}, color, at == 0 ? 1.4 : 0.7);
    view.ground_line(std::vector<Vec2>{{d, -kReach}, {d, kReach}}, color, at == 0 ? 1.4 : 0.7);
  }
}

void draw_cameras(Canvas& canvas, const Layout& layout, const SamplePicture& picture, const DrawingOptions& options,
                  const std::vector<LaneVector>& lanes) {
  for (size_t i = 0; i < picture.cameras.size(); ++i) {
    CameraView view(canvas, layout.cameras[i], picture.cameras[i]);
    if (options.show_points_in_cameras && picture.points.defined()) {
      const Tensor& points = picture.points;
      const float* data = points.data<const float>();
      for (int64_t p = 0; p < points.size(0); ++p) {
        const float* v = data + p * points.stride(0);
        const Vec3 at{v[0], v[points.stride(1)], v[2 * points.stride(1)]};
        view.point(at, heat_color(1 - std::hypot(at.x, at.y) / 50), 0.7);
      }
    }
    if (picture.ground_grid) draw_ground_grid(view);
    for (const GroundMark& mark : picture.camera_marks) view.ground_line(mark.points, mark.color, 1.6, mark.closed);
    for (const auto& lane : lanes)
      view.ground_line(lane.points, lane_color(static_cast<size_t>(lane.class_id)).with_alpha(0.85), 2);
    if (picture.frame.box_labels)
      for (const Box3d& box : *picture.frame.box_labels) view.box(box, kTruthBox.with_alpha(0.8), 0.8);
    for (const auto& box : picture.frame.boxes)
      if (box.score >= options.box_score_threshold)
        view.box(box.box, box_color(static_cast<size_t>(std::max(box.box.class_id, 0))), 1.4);
    view.caption();
  }
}

/// Which of the large panels there are.
struct Panels {
  bool label = false, prediction = false, difference = false, lidar = false, past = false;

  explicit Panels(const SamplePicture& picture) {
    const EvaluationFrame& frame = picture.frame;
    label = !frame.lane_label.empty() || !frame.road_label.empty() || frame.instance_labels || frame.box_labels;
    prediction = picture.has_prediction;
    difference =
        (!frame.lane.empty() && !frame.lane_label.empty()) || (!frame.road.empty() && !frame.road_label.empty());
    lidar = picture.points.defined() && picture.points.numel() > 0;
    past = !picture.past.empty();
  }
  size_t count() const {
    return static_cast<size_t>(label) + static_cast<size_t>(prediction) + static_cast<size_t>(difference) +
           static_cast<size_t>(lidar) + static_cast<size_t>(past);
  }
};

struct LegendItem {
  enum class Kind { Heading, Area, Outline, Text };
  std::string text;
  Color color;
  Kind kind = Kind::Text;
};

/// What the lines over the cameras' pictures are.
std::string camera_line(const SamplePicture& picture, const DrawingOptions& options, bool has_lanes) {
  if (picture.cameras.empty()) return "";
  std::string predicted, all;
  const auto add = [](std::string& list, const std::string& item, const char* between) {
    list += (list.empty() ? "" : between) + item;
  };
  if (options.show_points_in_cameras && picture.points.defined()) add(all, "LiDAR points by distance", ", ");
  if (has_lanes) add(predicted, "lane marks", " and ");
  if (!picture.frame.boxes.empty()) add(predicted, "boxes", " and ");
  if (!predicted.empty()) add(all, "predicted " + predicted + " in the colour of their class", ", ");
  if (picture.frame.box_labels) add(all, "labelled boxes as thin outlines", ", ");
  return all.empty() ? "" : "On the cameras: " + all;
}

std::vector<LegendItem> legend_of(const SamplePicture& picture, const DrawingOptions& options) {
  std::vector<LegendItem> items;
  using Kind = LegendItem::Kind;
  const auto heading = [&](const std::string& text) { items.push_back({text, kInk, Kind::Heading}); };
  const auto entry = [&](Color color, const std::string& text, bool outline) {
    items.push_back({text, color, outline ? Kind::Outline : Kind::Area});
  };
  const auto classes = [&](const char* title, const std::vector<std::string>& names, Color (*color)(size_t)) {
    heading(title);
    for (size_t i = 0; i < names.size(); ++i) entry(color(i), names[i], false);
  };
  // Outlines only of what is there, so that the list stays short.
  const auto present = [&](const char* title, const std::vector<std::string>& names, Color (*color)(size_t),
                           const std::set<int>& ids) {
    if (ids.empty()) return;
    heading(title);
    for (const int id : ids)
      if (id >= 0 && static_cast<size_t>(id) < names.size())
        entry(color(static_cast<size_t>(id)), names[static_cast<size_t>(id)], true);
  };
  const EvaluationFrame& frame = picture.frame;
  if (!frame.lane.empty() || !frame.lane_label.empty()) classes("Lane marks", picture.labels.lane_classes, lane_color);
  if (!frame.road.empty() || !frame.road_label.empty()) classes("Road", picture.labels.road_classes, road_color);
  if (Panels(picture).difference) {
    heading("Difference");
    entry(kRight, "predicted and there", false);
    entry(kMissed, "missed", false);
    entry(kFalseAlarm, "not there", false);
    entry(kWrongClass, "another class", false);
    entry(kIgnored, "not judged", false);
  }
  std::set<int> instances, boxes;
  for (const auto& i : frame.instances)
    if (i.score >= options.box_score_threshold) instances.insert(i.box.class_id);
  for (const auto& b : frame.boxes)
    if (b.score >= options.box_score_threshold) boxes.insert(b.box.class_id);
  if (frame.instance_labels)
    for (const auto& i : *frame.instance_labels) instances.insert(i.class_id);
  if (frame.box_labels)
    for (const auto& b : *frame.box_labels) boxes.insert(b.class_id);
  present("Instances", picture.labels.instance_classes, instance_color, instances);
  present("Boxes", picture.labels.dynamic_classes, box_color, boxes);
  const bool beside = Panels(picture).lidar || !picture.cameras.empty();
  if (frame.box_labels && !frame.box_labels->empty() && beside)
    entry(kTruthBox, Panels(picture).lidar ? "labelled (LiDAR, cameras)" : "labelled (cameras)", true);
  for (const GroundPanel& panel : picture.panels) {
    if (!panel.legend.empty()) heading(panel.title);
    for (const auto& [text, color] : panel.legend) entry(color, text, false);
  }
  entry(kEgo, "this vehicle", true);
  if (!picture.has_prediction) return items;
  heading("Drawn where predicted with");
  const auto line = [&](const std::string& text) { items.push_back({text, kInk, Kind::Text}); };
  if (!frame.lane.empty()) line(fmt::format("lane marks, as areas and lines: {:g}", options.lane_threshold));
  if (!frame.road.empty()) {
    std::map<float, std::string> by_threshold;
    for (const auto& name : picture.labels.road_classes) {
      std::string& names = by_threshold[options.threshold_of(name)];
      names += (names.empty() ? "" : ", ") + name;
    }
    for (const auto& [threshold, names] : by_threshold)
      line(fmt::format("{}: {:g}", by_threshold.size() == 1 ? "road" : names, threshold));
  }
  if (!frame.boxes.empty() || !frame.instances.empty())
    line(fmt::format("boxes and instances: {:g}", options.box_score_threshold));
  return items;
}

/// Closer together where there is much to name.
void draw_legend(Canvas& canvas, const Rect& area, const std::vector<LegendItem>& items) {
  constexpr double kHeading = 20, kEntry = 13.5;
  double height = 10;
  for (const auto& item : items) height += item.kind == LegendItem::Kind::Heading ? kHeading : kEntry;
  const double scale = std::min(1.0, area.h / height);
  double y = area.y + 10 * scale;
  for (const auto& item : items) {
    if (item.kind == LegendItem::Kind::Heading) {
      y += 5 * scale;
      canvas.text(area.x, y, item.text, 11 * scale, kInk, Align::Left, true);
      y += 15 * scale;
      continue;
    }
    if (item.kind == LegendItem::Kind::Text) {
      canvas.text(area.x, y, item.text, 9.5 * scale, kInk);
      y += kEntry * scale;
      continue;
    }
    const bool outline = item.kind == LegendItem::Kind::Outline;
    const Rect swatch{area.x, y - 5 * scale, 16, 10 * scale};
    canvas.fill(swatch, outline ? kGround : item.color);
    if (outline) canvas.stroke({swatch.x + 2, y - 3 * scale, 12, 6 * scale}, item.color, 1.5);
    canvas.stroke({swatch.x - 0.5, swatch.y - 0.5, swatch.w + 1, swatch.h + 1}, kFaintInk, 0.6);
    canvas.text(area.x + 22, y, item.text, 10 * scale, kInk);
    y += kEntry * scale;
  }
}

void draw_scale(Canvas& canvas, const Rect& beside, double low, double high, const char* unit = "") {
  const double x = beside.x + beside.w + 8;
  for (int i = 0; i < 60; ++i)
    canvas.fill({x, beside.y + beside.h - (i + 1) * beside.h / 60, 8, beside.h / 60 + 0.5}, heat_color((i + 0.5) / 60));
  canvas.text(x + 11, beside.y + 4, fmt::format("{:.3g}{}", high, unit), 8.5, kFaintInk);
  canvas.text(x + 11, beside.y + beside.h - 4, fmt::format("{:.3g}{}", low, unit), 8.5, kFaintInk);
}

}  // namespace

float DrawingOptions::threshold_of(const std::string& road_class) const {
  const std::string plain = plain_name(road_class);
  if (is_freespace(road_class)) return freespace_threshold;
  if (plain == "stopline") return stopline_threshold;
  if (plain == "crosswalk") return crosswalk_threshold;
  return road_threshold;
}

Canvas draw_sample(const SamplePicture& picture, const DrawingOptions& options) {
  const bool weights = options.fusion_weights && !picture.fusion_weights.empty();
  std::vector<FeaturePanel> features;
  if (options.show_history) features = picture.features;
  const size_t small = features.size() + (weights ? static_cast<size_t>(picture.fusion_weights.channels) : 0);
  const Panels panels(picture);
  const Layout layout = lay_out(picture, options, panels.count() + picture.panels.size(), small);
  Canvas canvas(static_cast<int>(std::ceil(layout.width)), static_cast<int>(std::ceil(layout.height)), kPaper);
  canvas.text(kMargin, kMargin + 12, picture.title, 15, kInk, Align::Left, true);

  std::vector<LaneVector> lanes;
  if (options.show_vectors && !picture.frame.lane.empty())
    lanes = lane_vectors(picture.frame.lane, picture.labels.grid,
                         {options.lane_threshold, options.lane_vector_points, 1.0});
  canvas.text(kMargin, kMargin + 28, camera_line(picture, options, !lanes.empty()), 10, kFaintInk);
  draw_cameras(canvas, layout, picture, options, lanes);

  const LabelGrid& grid = picture.labels.grid;
  size_t panel = 0;
  if (panels.label) {
    BevView label(canvas, layout.large[panel++], grid);
    draw_label(label, picture);
    label.axes("Label");
  }
  if (panels.prediction) {
    BevView prediction(canvas, layout.large[panel++], grid);
    draw_prediction(prediction, picture, options);
    prediction.axes("Prediction");
  }
  if (panels.difference) {
    BevView difference(canvas, layout.large[panel++], grid);
    draw_difference(difference, picture, options);
    difference.axes("Difference");
  }
  if (panels.lidar) {
    BevView lidar(canvas, layout.large[panel++], grid);
    draw_lidar(lidar, picture, options);
    for (const auto& lane : lanes) lidar.polyline(lane.points, lane_color(static_cast<size_t>(lane.class_id)), 1.4);
    lidar.axes(lanes.empty() ? "LiDAR by height" : "LiDAR, predicted lines");
    draw_scale(canvas, layout.large[panel - 1], kLowestPoint, kHighestPoint, " m");
  }
  if (panels.past) {
    BevView past(canvas, layout.large[panel++], grid);
    draw_past(past, picture);
    past.axes(fmt::format("Earlier frames where they lie now, to {:.1f} s", picture.past.front().age));
  }
  for (const GroundPanel& added : picture.panels) {
    BevView view(canvas, layout.large[panel++], grid);
    added.draw(view);
    view.axes(added.title);
  }
  draw_legend(canvas, layout.legend, legend_of(picture, options));

  const double high = highest(features);
  size_t at = 0;
  nlohmann::json places = nlohmann::json::array();
  for (const auto& panel : features) {
    BevView view(canvas, layout.small[at], grid);
    draw_heat(view, panel.norm.plane(0), panel.norm.rows, panel.norm.columns, 0, high);
    view.ego();
    view.axes(panel.title, 8.5);
    const Rect& area = layout.small[at];
    places.push_back({{"title", panel.title},
                      {"x", area.x - BevView::kLeft},
                      {"y", area.y - BevView::kTop},
                      {"w", area.w + BevView::kLeft},
                      {"h", area.h + BevView::kTop + BevView::kBottom}});
    if (++at == features.size() && !weights) draw_scale(canvas, layout.small[at - 1], 0, high);
  }
  for (int64_t k = 0; weights && k < picture.fusion_weights.channels; ++k, ++at) {
    BevView view(canvas, layout.small[at], grid);
    draw_heat(view, picture.fusion_weights.plane(k), picture.fusion_weights.rows, picture.fusion_weights.columns, 0, 1);
    view.ego();
    const auto title = static_cast<size_t>(k) < picture.weight_titles.size()
                           ? picture.weight_titles[static_cast<size_t>(k)]
                           : fmt::format("weight {}", k);
    view.axes(title, 8.5);
    if (at + 1 == layout.small.size()) draw_scale(canvas, layout.small[at], 0, 1);
  }
  if (!places.empty())
    canvas.set_comment(nlohmann::json{{"width", canvas.width()}, {"height", canvas.height()}, {"history", places}}.dump(
        -1, ' ', true));
  return canvas;
}

}  // namespace bevgrad
