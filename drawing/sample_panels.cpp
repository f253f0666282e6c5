#include <algorithm>
#include <cmath>
#include <limits>

#include "base/plain_name.h"
#include "drawing/bev_view.h"
#include "drawing/palette.h"
#include "drawing/sample_picture.h"

namespace bevgrad {
namespace {

constexpr Color kNothing{0, 0, 0, 0};

/// Classes present at a cell, as bits: lanes first, then road classes.
struct ClassBits {
  int64_t rows = 0, columns = 0;
  std::vector<uint64_t> present, ignored;
};

ClassBits label_bits(const EvaluationFrame& frame) {
  ClassBits bits;
  int shift = 0;
  for (const LabelRaster* raster : {&frame.lane_label, &frame.road_label}) {
    if (raster->empty()) {
      shift += static_cast<int>(raster == &frame.lane_label ? frame.lane.channels : frame.road.channels);
      continue;
    }
    bits.rows = raster->rows, bits.columns = raster->columns;
    bits.present.resize(static_cast<size_t>(raster->cells()));
    bits.ignored.resize(static_cast<size_t>(raster->cells()));
    for (int64_t c = 0; c < raster->channels; ++c, ++shift)
      for (int64_t i = 0; i < raster->cells(); ++i) {
        const uint8_t value = raster->plane(c)[static_cast<size_t>(i)];
        if (value == 1) bits.present[static_cast<size_t>(i)] |= uint64_t{1} << shift;
        if (value == 255) bits.ignored[static_cast<size_t>(i)] |= uint64_t{1} << shift;
      }
  }
  return bits;
}

ClassBits predicted_bits(const SamplePicture& picture, const DrawingOptions& options) {
  ClassBits bits;
  int shift = 0;
  for (const ProbabilityRaster* raster : {&picture.frame.lane, &picture.frame.road}) {
    const bool lanes = raster == &picture.frame.lane;
    if (raster->empty()) {
      shift += static_cast<int>(lanes ? picture.frame.lane_label.channels : picture.frame.road_label.channels);
      continue;
    }
    bits.rows = raster->rows, bits.columns = raster->columns;
    bits.present.resize(static_cast<size_t>(raster->cells()));
    for (int64_t c = 0; c < raster->channels; ++c, ++shift) {
      const auto& classes = picture.labels.road_classes;
      const float threshold = lanes || c >= static_cast<int64_t>(classes.size())
                                  ? options.lane_threshold
                                  : options.threshold_of(classes[static_cast<size_t>(c)]);
      const auto plane = raster->plane(c);
      for (size_t i = 0; i < plane.size(); ++i)
        if (plane[i] >= threshold) bits.present[i] |= uint64_t{1} << shift;
    }
  }
  return bits;
}

size_t num_lanes(const EvaluationFrame& frame) {
  return static_cast<size_t>(frame.lane.empty() ? frame.lane_label.channels : frame.lane.channels);
}

/// The bits of freespace, which is beneath everything and says nothing of what lies on it.
uint64_t bits_beneath(const SamplePicture& picture) {
  uint64_t bits = 0;
  const size_t lanes = num_lanes(picture.frame);
  const auto& classes = picture.labels.road_classes;
  for (size_t c = 0; c < classes.size() && lanes + c < 64; ++c)
    if (is_freespace(classes[c])) bits |= uint64_t{1} << (lanes + c);
  return bits;
}

/// The class that is drawn on top where several lie on one cell: lanes over road classes, freespace last.
Color color_of_bits(uint64_t present, size_t lanes, uint64_t beneath) {
  if (present & ~beneath) present &= ~beneath;
  for (size_t c = 0; c < 64; ++c)
    if (present >> c & 1) return c < lanes ? lane_color(c) : road_color(c - lanes);
  return kNothing;
}

void draw_instances(BevView& view, const std::vector<Instance>& instances) {
  for (const Instance& i : instances)
    view.rectangle(i, instance_color(static_cast<size_t>(std::max(i.class_id, 0))), 1.2, true);
}

Instance footprint(const Box3d& box) {
  return {box.x, box.y, box.l, box.w, box.yaw, box.class_id};
}

}  // namespace

void draw_label(BevView& view, const SamplePicture& picture) {
  const ClassBits bits = label_bits(picture.frame);
  const size_t lanes = num_lanes(picture.frame);
  const uint64_t beneath = bits_beneath(picture);
  if (!bits.present.empty())
    view.cells(bits.rows, bits.columns, [&](int64_t r, int64_t c) {
      const auto i = static_cast<size_t>(r * bits.columns + c);
      if (bits.present[i]) return color_of_bits(bits.present[i], lanes, beneath);
      return bits.ignored[i] ? kIgnored : kNothing;
    });
  if (picture.frame.instance_labels) draw_instances(view, *picture.frame.instance_labels);
  if (picture.frame.box_labels)
    for (const Box3d& box : *picture.frame.box_labels)
      view.rectangle(footprint(box), box_color(static_cast<size_t>(std::max(box.class_id, 0))), 1, true);
  view.ego();
}

void draw_prediction(BevView& view, const SamplePicture& picture, const DrawingOptions& options) {
  const ClassBits bits = predicted_bits(picture, options);
  const size_t lanes = num_lanes(picture.frame);
  const uint64_t beneath = bits_beneath(picture);
  if (!bits.present.empty())
    view.cells(bits.rows, bits.columns, [&](int64_t r, int64_t c) {
      return color_of_bits(bits.present[static_cast<size_t>(r * bits.columns + c)], lanes, beneath);
    });
  std::vector<Instance> instances;
  for (const auto& i : picture.frame.instances)
    if (i.score >= options.box_score_threshold) instances.push_back(i.box);
  draw_instances(view, instances);
  for (const auto& box : picture.frame.boxes) {
    if (box.score < options.box_score_threshold) continue;
    view.rectangle(footprint(box.box), box_color(static_cast<size_t>(std::max(box.box.class_id, 0))), 1, true);
    if (box.box.track >= 0) view.text({box.box.x, box.box.y}, fmt::format("{}", box.box.track), 6, kPaper);
  }
  view.ego();
}

void draw_difference(BevView& view, const SamplePicture& picture, const DrawingOptions& options) {
  const ClassBits truth = label_bits(picture.frame), predicted = predicted_bits(picture, options);
  const uint64_t beneath = bits_beneath(picture);
  if (!truth.present.empty() && truth.present.size() == predicted.present.size())
    view.cells(truth.rows, truth.columns, [&](int64_t r, int64_t c) {
      const auto i = static_cast<size_t>(r * truth.columns + c);
      uint64_t there = truth.present[i], said = predicted.present[i] & ~truth.ignored[i];
      if ((there | said) & ~beneath) {
        there &= ~beneath;
        said &= ~beneath;
      }
      if (there == said) return there ? kRight : truth.ignored[i] ? kIgnored : kNothing;
      if (!said) return kMissed;
      if (!there) return kFalseAlarm;
      return (there & said) ? kRight : kWrongClass;
    });
  view.ego();
}

void draw_lidar(BevView& view, const SamplePicture& picture, const DrawingOptions& options) {
  if (picture.points.defined() && picture.points.numel() > 0) {
    const Tensor& points = picture.points;
    check(points.dim() == 2 && points.size(1) >= 3, "draw_lidar: {}, expected [P,4]", describe(points));
    const float* data = points.data<const float>();
    for (int64_t i = 0; i < points.size(0); ++i) {
      const float* p = data + i * points.stride(0);
      const double z = p[2 * points.stride(1)];
      view.point({p[0], p[points.stride(1)]},
                 heat_color((z - kLowestPoint) / (kHighestPoint - kLowestPoint)).with_alpha(0.8), 0.6);
    }
  }
  if (picture.frame.box_labels)
    for (const Box3d& box : *picture.frame.box_labels) view.rectangle(footprint(box), kTruthBox, 1, true);
  for (const auto& box : picture.frame.boxes)
    if (box.score >= options.box_score_threshold)
      view.rectangle(footprint(box.box), box_color(static_cast<size_t>(std::max(box.box.class_id, 0))), 1.5, true);
  view.ego();
}

void draw_past(BevView& view, const SamplePicture& picture) {
  const double oldest = std::max(1e-3, picture.past.front().age);
  for (const PastFrame& frame : picture.past) {
    const Color color = heat_color(1 - 0.9 * frame.age / oldest);
    if (frame.points.defined()) {
      const float* p = frame.points.data<const float>();
      for (int64_t i = 0; i < frame.points.size(0); ++i, p += 4)
        if (p[2] > 0.4f && p[2] < 2.5f) view.point(frame.to_now.apply({p[0], p[1]}), color.with_alpha(0.5), 0.5);
    }
    for (const GroundMark& mark : frame.marks) {
      std::vector<Vec2> line;
      for (const Vec2 point : mark.points) line.push_back(frame.to_now.apply(point));
      view.polyline(line, color, 1, mark.closed);
    }
  }
  view.ego();
}

void draw_heat(BevView& view, std::span<const float> plane, int64_t rows, int64_t columns, double low, double high) {
  view.cells(rows, columns, [&](int64_t r, int64_t c) {
    const double value = plane[static_cast<size_t>(r * columns + c)];
    return std::isnan(value) ? kNothing : heat_color((value - low) / std::max(high - low, 1e-12));
  });
}

FeaturePanel feature_panel(const std::string& title, const Tensor& feature, int64_t sample, const Tensor& valid) {
  const auto raster = float_raster(feature, sample);
  FeaturePanel panel{title, Raster<float>(1, raster.rows, raster.columns, 0.0f)};
  for (int64_t c = 0; c < raster.channels; ++c) {
    const auto plane = raster.plane(c);
    for (size_t i = 0; i < plane.size(); ++i) panel.norm.values[i] += plane[i] * plane[i];
  }
  for (float& value : panel.norm.values) value = std::sqrt(value);
  if (valid.defined()) {
    check(valid.dim() == 4 && valid.size(-2) == raster.rows && valid.size(-1) == raster.columns,
          "feature_panel: valid is {} for a feature {}", describe(valid), describe(feature));
    const auto at = [&](int64_t r, int64_t c) {
      const int64_t offset = sample * valid.stride(0) + r * valid.stride(2) + c * valid.stride(3);
      return dispatch_all(valid.dtype(), [&]<class T>() { return static_cast<float>(valid.data<const T>()[offset]); });
    };
    for (int64_t r = 0; r < raster.rows; ++r)
      for (int64_t c = 0; c < raster.columns; ++c)
        if (at(r, c) == 0) panel.norm.at(0, r, c) = std::numeric_limits<float>::quiet_NaN();
  }
  return panel;
}

}  // namespace bevgrad
