#include "evaluation/counts.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

namespace bevgrad {
namespace {

using nlohmann::json;

SeriesAccumulator::Options series_options(const EvaluationOptions& options, const std::vector<std::string>& classes,
                                          bool lanes) {
  SeriesAccumulator::Options series;
  series.classes = classes;
  for (const auto& name : classes)
    series.line.push_back(lanes || std::count(options.line_classes.begin(), options.line_classes.end(), name) > 0);
  series.with_other = lanes;
  series.conf = options.series_conf;
  series.distance = options.series_distance;
  series.grid = options.labels.grid;
  series.ranges = options.ranges;
  return series;
}

json to_json(const ApCounts& counts) {
  json detections = json::array();
  for (const auto& d : counts.detections) detections.push_back({d.score, d.right, static_cast<int>(d.stratum)});
  return {{"detections", std::move(detections)}, {"truths", counts.truths}};
}

ApCounts ap_from_json(const json& state) {
  ApCounts counts;
  for (const auto& d : state.at("detections")) {
    const int stratum = d.at(2);
    check(stratum >= 0 && stratum < kNumStrata, "evaluation state: stratum {}", stratum);
    counts.detections.push_back({d.at(0), d.at(1), static_cast<Stratum>(stratum)});
  }
  counts.truths = state.at("truths").get<std::array<int64_t, kNumStrata>>();
  return counts;
}

json to_json(const SeriesAccumulator& series) {
  json state = json::object();
  for (const auto& [name, counts] : series.state()) {
    json list = json::array();
    for (const auto& c : counts) list.push_back({c.predicted, c.right, c.truth, c.found, c.distance});
    state[name] = std::move(list);
  }
  return {{"series", std::move(state)}, {"confusion", series.confusion_state()}};
}

void series_from_json(const json& state, SeriesAccumulator& series) {
  SeriesAccumulator::SeriesState counts;
  for (const auto& [name, list] : state.at("series").items())
    for (const auto& c : list) counts[name].push_back({c.at(0), c.at(1), c.at(2), c.at(3), c.at(4)});
  series.set_state(std::move(counts), state.at("confusion").get<std::vector<int64_t>>());
}

json to_json(const FlickerAccumulator& flicker) {
  json list = json::array();
  for (const auto& c : flicker.counts()) list.push_back({c.compared, c.changed, c.marked_compared, c.marked_changed});
  return list;
}

void flicker_from_json(const json& state, FlickerAccumulator& flicker) {
  std::array<FlickerCounts, kNumStrata> counts = {};
  for (size_t s = 0; s < kNumStrata; ++s) {
    const auto& c = state.at(s);
    counts[s] = {c.at(0), c.at(1), c.at(2), c.at(3)};
  }
  flicker.merge(counts);
}

}  // namespace

std::vector<double> chamfer_thresholds_of(const EvaluationOptions& options) {
  std::set<double> thresholds;
  for (const auto& set : options.chamfer_thresholds) thresholds.insert(set.begin(), set.end());
  return {thresholds.begin(), thresholds.end()};
}

SetCounts::SetCounts(const EvaluationOptions& options)
    : lane_iou(options.labels.lane_classes, options.iou_threshold),
      road_iou(options.labels.road_classes, options.iou_threshold),
      lane_series(series_options(options, options.labels.lane_classes, true)),
      road_series(series_options(options, options.labels.road_classes, false)),
      lane_flicker(options.labels.grid),
      road_flicker(options.labels.grid),
      lanes(options.labels.lane_classes.size(), std::vector<ApCounts>(chamfer_thresholds_of(options).size())),
      instances(options.labels.instance_classes.size()),
      boxes(options.labels.dynamic_classes.size(), std::vector<ApCounts>(options.dynamic_distances.size())) {}

void Unusable::merge(const Unusable& other) {
  if (frames == 0) first = other.first;
  frames += other.frames;
  values += other.values;
}

void SetCounts::merge(const SetCounts& other) {
  frames += other.frames;
  lane_iou.merge(other.lane_iou);
  road_iou.merge(other.road_iou);
  lane_series.merge(other.lane_series);
  road_series.merge(other.road_series);
  lane_flicker.merge(other.lane_flicker.counts());
  road_flicker.merge(other.road_flicker.counts());
  for (size_t c = 0; c < lanes.size(); ++c)
    for (size_t k = 0; k < lanes[c].size(); ++k) lanes[c][k].merge(other.lanes[c][k]);
  for (size_t c = 0; c < instances.size(); ++c) instances[c].merge(other.instances[c]);
  for (size_t c = 0; c < boxes.size(); ++c)
    for (size_t k = 0; k < boxes[c].size(); ++k) boxes[c][k].merge(other.boxes[c][k]);
  for (const auto& [complaint, what] : other.unusable) unusable[complaint].merge(what);
  for (const auto& [what, count] : other.missing) missing[what] += count;
}

json to_json(const SetCounts& counts) {
  json state = {{"frames", counts.frames},
                {"lane_iou", counts.lane_iou.state()},
                {"road_iou", counts.road_iou.state()},
                {"lane_series", to_json(counts.lane_series)},
                {"road_series", to_json(counts.road_series)},
                {"lane_flicker", to_json(counts.lane_flicker)},
                {"road_flicker", to_json(counts.road_flicker)},
                {"unusable", json::object()},
                {"missing", counts.missing}};
  for (const auto& [complaint, what] : counts.unusable)
    state["unusable"][complaint] = {what.frames, what.values, what.first};
  const auto list = [](const std::vector<ApCounts>& all) {
    json out = json::array();
    for (const auto& one : all) out.push_back(to_json(one));
    return out;
  };
  state["lanes"] = json::array();
  for (const auto& one : counts.lanes) state["lanes"].push_back(list(one));
  state["instances"] = list(counts.instances);
  state["boxes"] = json::array();
  for (const auto& one : counts.boxes) state["boxes"].push_back(list(one));
  return state;
}

SetCounts counts_from_json(const json& state, const EvaluationOptions& options) {
  SetCounts counts(options);
  try {
    counts.frames = state.at("frames");
    counts.lane_iou.set_state(state.at("lane_iou"));
    counts.road_iou.set_state(state.at("road_iou"));
    series_from_json(state.at("lane_series"), counts.lane_series);
    series_from_json(state.at("road_series"), counts.road_series);
    flicker_from_json(state.at("lane_flicker"), counts.lane_flicker);
    flicker_from_json(state.at("road_flicker"), counts.road_flicker);
    for (size_t c = 0; c < counts.lanes.size(); ++c)
      for (size_t k = 0; k < counts.lanes[c].size(); ++k)
        counts.lanes[c][k] = ap_from_json(state.at("lanes").at(c).at(k));
    for (size_t c = 0; c < counts.instances.size(); ++c)
      counts.instances[c] = ap_from_json(state.at("instances").at(c));
    for (size_t c = 0; c < counts.boxes.size(); ++c)
      for (size_t k = 0; k < counts.boxes[c].size(); ++k)
        counts.boxes[c][k] = ap_from_json(state.at("boxes").at(c).at(k));
    for (const auto& [complaint, what] : state.at("unusable").items())
      counts.unusable[complaint] = {what.at(0), what.at(1), what.at(2)};
    counts.missing = state.at("missing").get<std::map<std::string, int64_t>>();
  } catch (const json::exception& error) {
    fail("evaluation state: {}", error.what());
  }
  return counts;
}

}  // namespace bevgrad
