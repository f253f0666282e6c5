#include "tasks/attributes/attribute_accuracy.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "evaluation/average_precision.h"
#include "evaluation/lane_vectors.h"
#include "evaluation/true_boxes.h"
#include "geometry/polyline.h"
#include "tasks/attributes/attribute_head.h"
#include "tasks/attributes/decode.h"

namespace bevgrad {
namespace {

constexpr double kBoxDistance = 2, kLineDistance = 0.5, kPointEvery = 0.5;  // metres
constexpr const char* kWayNames[] = {"matched", "labelled"};

std::vector<Vec2> points_along(const LabelShape& shape) {
  std::vector<Vec2> line = shape.points;
  if (shape.closed) line.push_back(line.front());
  const int count = std::max(2, static_cast<int>(length(line) / kPointEvery) + 1);
  return resample(line, count);
}

double mean_distance(const std::vector<Vec2>& points, const std::vector<Vec2>& line) {
  double sum = 0;
  for (const Vec2 p : points) {
    double nearest = 1e9;
    for (size_t i = 0; i + 1 < line.size(); ++i)
      nearest = std::min(nearest, distance_to_segment(p, line[i], line[i + 1]));
    sum += nearest;
  }
  return sum / static_cast<double>(points.size());
}

}  // namespace

int64_t AttributeAccuracy::Confusion::labelled(size_t value) const {
  int64_t sum = 0;
  for (size_t other = 0; other < values; ++other) sum += pairs[value * values + other];
  return sum;
}

int64_t AttributeAccuracy::Confusion::predicted(size_t value) const {
  int64_t sum = 0;
  for (size_t other = 0; other < values; ++other) sum += pairs[other * values + value];
  return sum;
}

int64_t AttributeAccuracy::Confusion::objects() const {
  int64_t sum = 0;
  for (const int64_t pair : pairs) sum += pair;
  return sum;
}

Ratio AttributeAccuracy::Confusion::accuracy() const {
  int64_t sum = 0;
  for (size_t value = 0; value < values; ++value) sum += right(value);
  return ratio(static_cast<double>(sum), static_cast<double>(objects()));
}

Ratio AttributeAccuracy::Confusion::balanced_accuracy() const {
  std::vector<Ratio> shares;
  for (size_t value = 0; value < values; ++value)
    shares.push_back(ratio(static_cast<double>(right(value)), static_cast<double>(labelled(value))));
  return bevgrad::mean_of(shares);
}

AttributeAccuracy::AttributeAccuracy(AttributeSet boxes, AttributeSet lanes, const LabelGrid& range,
                                     float lane_threshold, int lane_points)
    : boxes_{"box", std::move(boxes)},
      lanes_{"lane", std::move(lanes)},
      range_(range),
      lane_threshold_(lane_threshold),
      lane_points_(lane_points) {
  for (Counted* counted : {&boxes_, &lanes_})
    for (auto& confusions : counted->confusions)
      for (const AttributeKind& kind : counted->set.kinds)
        confusions.push_back({std::vector<int64_t>(kind.values.size() * kind.values.size()), kind.values.size()});
}

void AttributeAccuracy::count(Counted& counted, Judged way, int class_id, const std::vector<int>& truth,
                              const std::vector<int>& said) {
  for (size_t k = 0; k < counted.set.kinds.size(); ++k) {
    const int is = value_of(truth, k), says = value_of(said, k);
    if (is < 0 || says < 0 || !counted.set.is_said_of(k, class_id)) continue;
    Confusion& confusion = counted.confusions[way][k];
    ++confusion.pairs[static_cast<size_t>(is) * confusion.values + static_cast<size_t>(says)];
  }
}

void AttributeAccuracy::add(const JudgedFrame& judged) {
  if (!boxes_.set.kinds.empty()) add_boxes(judged);
  if (!lanes_.set.kinds.empty()) add_lanes(judged);
}

void AttributeAccuracy::add_boxes(const JudgedFrame& judged) {
  const auto sample = static_cast<size_t>(judged.sample);
  if (!judged.batch.has_boxes[sample]) return;
  const ProbabilityRaster probabilities =
      attribute_probabilities(judged.output.at(kBoxAttributeLogits), judged.sample, boxes_.set.kinds);
  for (size_t c = 0; c < boxes_.set.classes.size(); ++c) {
    const int id = static_cast<int>(c);
    std::vector<const Box3d*> truth;
    for (const Box3d& box : judged.batch.boxes[sample])
      if (box.class_id == id && is_true_box(box, range_)) truth.push_back(&box);
    std::vector<const ScoredBox*> found;
    std::vector<double> scores;
    for (const ScoredBox& box : judged.frame.boxes) {
      if (box.box.class_id != id || !is_in_range(box.box, range_) || !std::isfinite(box.score)) continue;
      found.push_back(&box);
      scores.push_back(box.score);
    }
    const std::vector<int64_t> taken = match_by_score(
        scores, truth.size(), std::nextafter(kBoxDistance, 0.0), false,
        [&](size_t p, size_t t) { return std::hypot(found[p]->box.x - truth[t]->x, found[p]->box.y - truth[t]->y); });
    for (size_t p = 0; p < found.size(); ++p)
      if (taken[p] >= 0)
        count(boxes_, kMatched, id, truth[static_cast<size_t>(taken[p])]->attributes, found[p]->box.attributes);
    for (const Box3d* box : truth)
      count(boxes_, kLabelled, id, box->attributes,
            values_of(attributes_along(probabilities, range_, boxes_.set.kinds, boxes_.set.classes[c],
                                       std::vector<Vec2>{{box->x, box->y}})));
  }
}

void AttributeAccuracy::add_lanes(const JudgedFrame& judged) {
  const ProbabilityRaster probabilities =
      attribute_probabilities(judged.output.at(kLaneAttributeLogits), judged.sample, lanes_.set.kinds);
  std::vector<LaneVector> found;
  if (!judged.frame.lane.empty())
    found = lane_vectors(judged.frame.lane, range_, {.threshold = lane_threshold_, .points = lane_points_});
  for (const LabelShape& shape : judged.batch.lane_shapes[static_cast<size_t>(judged.sample)]) {
    if (shape.attributes.empty() || shape.points.size() < 2 || shape.class_id < 0 ||
        static_cast<size_t>(shape.class_id) >= lanes_.set.classes.size())
      continue;
    const std::string& class_name = lanes_.set.classes[static_cast<size_t>(shape.class_id)];
    const auto said = [&](const std::vector<Vec2>& points) {
      return values_of(attributes_along(probabilities, range_, lanes_.set.kinds, class_name, points));
    };
    const std::vector<Vec2> points = points_along(shape);
    count(lanes_, kLabelled, shape.class_id, shape.attributes, said(points));
    const LaneVector* best = nullptr;
    double nearest = kLineDistance;
    for (const LaneVector& line : found) {
      const double distance = mean_distance(points, line.points);
      if (distance > nearest) continue;
      nearest = distance;
      best = &line;
    }
    if (best != nullptr) count(lanes_, kMatched, shape.class_id, shape.attributes, said(best->points));
  }
}

std::string AttributeAccuracy::state() const {
  std::string text;
  for (const Counted* counted : {&boxes_, &lanes_})
    for (const auto& confusions : counted->confusions)
      for (const Confusion& confusion : confusions)
        for (const int64_t pair : confusion.pairs) text += fmt::format("{} ", pair);
  return text;
}

void AttributeAccuracy::merge(const std::string& state) {
  std::istringstream in(state);
  for (Counted* counted : {&boxes_, &lanes_})
    for (auto& confusions : counted->confusions)
      for (Confusion& confusion : confusions)
        for (int64_t& pair : confusion.pairs) {
          int64_t more = 0;
          in >> more;
          pair += more;
        }
}

std::vector<Table> AttributeAccuracy::tables() const {
  Table kinds{"attributes",
              "Attributes of boxes and lane marks",
              {{"of", true},
               {"attribute", true},
               {"judged", true},
               {"objects", false},
               {"accuracy", false},
               {"balanced_accuracy", false}},
              {}};
  Table values{"attribute_values",
               "Values of attributes",
               {{"of", true},
                {"attribute", true},
                {"value", true},
                {"judged", true},
                {"labelled", false},
                {"predicted", false},
                {"recall", false},
                {"precision", false}},
               {}};
  for (const Counted* counted : {&boxes_, &lanes_})
    for (size_t k = 0; k < counted->set.kinds.size(); ++k)
      for (size_t way = 0; way < kWays; ++way) {
        const AttributeKind& kind = counted->set.kinds[k];
        const Confusion& confusion = counted->confusions[way][k];
        kinds.add_row({counted->of, kind.name, std::string(kWayNames[way]), confusion.objects(),
                       cell_of(confusion.accuracy()), cell_of(confusion.balanced_accuracy())});
        for (size_t v = 0; v < kind.values.size(); ++v) {
          const auto right = static_cast<double>(confusion.right(v));
          const int64_t labelled = confusion.labelled(v), predicted = confusion.predicted(v);
          values.add_row({counted->of, kind.name, kind.values[v], std::string(kWayNames[way]), labelled, predicted,
                          cell_of(ratio(right, static_cast<double>(labelled))),
                          cell_of(ratio(right, static_cast<double>(predicted)))});
        }
      }
  return {kinds, values};
}

Ratio AttributeAccuracy::mean_of(const Counted& counted, Judged way) const {
  std::vector<Ratio> kinds;
  for (const Confusion& confusion : counted.confusions[way]) kinds.push_back(confusion.balanced_accuracy());
  return bevgrad::mean_of(kinds);
}

std::vector<std::string> AttributeAccuracy::headline_names() const {
  return {"box_attributes", "box_attributes_labelled", "lane_attributes", "lane_attributes_labelled"};
}

std::map<std::string, double> AttributeAccuracy::headline() const {
  std::map<std::string, double> figures;
  const Ratio values[] = {mean_of(boxes_, kMatched), mean_of(boxes_, kLabelled), mean_of(lanes_, kMatched),
                          mean_of(lanes_, kLabelled)};
  const std::vector<std::string> names = headline_names();
  for (size_t i = 0; i < names.size(); ++i)
    if (values[i]) figures[names[i]] = *values[i];
  return figures;
}

}  // namespace bevgrad
