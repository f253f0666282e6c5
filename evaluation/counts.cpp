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

/// Any lane mark as a class of its own, at every threshold from which one may be chosen.
SeriesAccumulator::Options any_options(const EvaluationOptions& options) {
  SeriesAccumulator::Options series;
  series.classes = {"any"};
  series.line = {true};
  for (int i = 1; i < 20; ++i) series.conf.push_back(i / 20.0);
  series.distance = options.series_distance;
  series.grid = options.labels.grid;
  const LabelGrid& grid = series.grid;
  series.ranges = {{"grid", grid.y_min, grid.y_max, grid.x_min, grid.x_max}};
  return series;
}

json to_json(const ApCounts& counts) {
  json detections = json::array();
  for (const auto& d : counts.detections)
    detections.push_back({d.score, d.right, static_cast<int>(d.stratum), d.stays});
  return {{"detections", std::move(detections)}, {"truths", counts.truths}};
}

ApCounts ap_from_json(const json& state) {
  ApCounts counts;
  for (const auto& d : state.at("detections")) {
    const int stratum = d.at(2);
    check(stratum >= 0 && stratum < kNumStrata, "evaluation state: stratum {}", stratum);
    counts.detections.push_back({d.at(0), d.at(1), static_cast<Stratum>(stratum), d.at(3)});
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
  for (const auto& c : flicker.counts())
    list.push_back(
        {c.compared, c.changed, c.marked_compared, c.marked_changed, c.both, c.either, c.label_both, c.label_either});
  return list;
}

void flicker_from_json(const json& state, FlickerAccumulator& flicker) {
  std::array<FlickerCounts, kNumStrata> counts = {};
  for (size_t s = 0; s < kNumStrata; ++s) {
    const auto& c = state.at(s);
    counts[s] = {c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5), c.at(6), c.at(7)};
  }
  flicker.merge(counts);
}

}  // namespace

std::vector<double> chamfer_thresholds_of(const EvaluationOptions& options) {
  std::set<double> thresholds;
  for (const auto& set : options.chamfer_thresholds) thresholds.insert(set.begin(), set.end());
  return {thresholds.begin(), thresholds.end()};
}

SequenceCounts::SequenceCounts(const EvaluationOptions& options)
    : lane_iou(options.labels.lane_classes, options.iou_threshold),
      road_iou(options.labels.road_classes, options.iou_threshold),
      any_iou({"any"}),
      instances(options.labels.instance_classes.size()),
      boxes(options.labels.dynamic_classes.size(), std::vector<ApCounts>(options.dynamic_distances.size())) {}

void SequenceCounts::merge(const SequenceCounts& other) {
  lane_iou.merge(other.lane_iou);
  road_iou.merge(other.road_iou);
  any_iou.merge(other.any_iou);
  lane_logits.merge(other.lane_logits);
  road_logits.merge(other.road_logits);
  for (size_t c = 0; c < instances.size(); ++c) instances[c].merge(other.instances[c]);
  for (size_t c = 0; c < boxes.size(); ++c)
    for (size_t k = 0; k < boxes[c].size(); ++k) boxes[c][k].merge(other.boxes[c][k]);
}

SetCounts::SetCounts(const EvaluationOptions& options)
    : lane_series(series_options(options, options.labels.lane_classes, true)),
      road_series(series_options(options, options.labels.road_classes, false)),
      any_series(any_options(options)),
      lane_flicker(options.labels.grid),
      road_flicker(options.labels.grid),
      lanes(options.labels.lane_classes.size(), std::vector<ApCounts>(chamfer_thresholds_of(options).size())),
      lane_finders(chamfer_thresholds_of(options).size()) {}

SequenceCounts SetCounts::total(const EvaluationOptions& options) const {
  SequenceCounts sum(options);
  for (const auto& [name, counts] : sequences) sum.merge(counts);
  return sum;
}

void Unusable::merge(const Unusable& other) {
  if (frames == 0) first = other.first;
  frames += other.frames;
  values += other.values;
}

void SetCounts::merge(const SetCounts& other) {
  frames += other.frames;
  for (const auto& [name, counts] : other.sequences)
    if (const auto [mine, is_new] = sequences.try_emplace(name, counts); !is_new) mine->second.merge(counts);
  lane_series.merge(other.lane_series);
  road_series.merge(other.road_series);
  any_series.merge(other.any_series);
  lane_flicker.merge(other.lane_flicker.counts());
  road_flicker.merge(other.road_flicker.counts());
  for (size_t c = 0; c < lanes.size(); ++c)
    for (size_t k = 0; k < lanes[c].size(); ++k) lanes[c][k].merge(other.lanes[c][k]);
  for (const auto& [name, drive] : other.tracked) tracked[name].insert(tracked[name].end(), drive.begin(), drive.end());
  for (const auto& [complaint, what] : other.unusable) unusable[complaint].merge(what);
  for (const auto& [what, count] : other.missing) missing[what] += count;
}

namespace {

json list_to_json(const std::vector<ApCounts>& all) {
  json out = json::array();
  for (const auto& one : all) out.push_back(to_json(one));
  return out;
}

json table_to_json(const std::vector<std::vector<ApCounts>>& all) {
  json out = json::array();
  for (const auto& one : all) out.push_back(list_to_json(one));
  return out;
}

void restore(const json& state, std::vector<ApCounts>& all) {
  for (size_t i = 0; i < all.size(); ++i) all[i] = ap_from_json(state.at(i));
}

void restore(const json& state, std::vector<std::vector<ApCounts>>& all) {
  for (size_t i = 0; i < all.size(); ++i) restore(state.at(i), all[i]);
}

json to_json(const SequenceCounts& counts) {
  return {{"lane_iou", counts.lane_iou.state()},       {"road_iou", counts.road_iou.state()},
          {"any_iou", counts.any_iou.state()},         {"lane_logits", counts.lane_logits.state()},
          {"road_logits", counts.road_logits.state()}, {"instances", list_to_json(counts.instances)},
          {"boxes", table_to_json(counts.boxes)}};
}

SequenceCounts sequence_from_json(const json& state, const EvaluationOptions& options) {
  SequenceCounts counts(options);
  counts.lane_iou.set_state(state.at("lane_iou"));
  counts.road_iou.set_state(state.at("road_iou"));
  counts.any_iou.set_state(state.at("any_iou"));
  counts.lane_logits.set_state(state.at("lane_logits"));
  counts.road_logits.set_state(state.at("road_logits"));
  restore(state.at("instances"), counts.instances);
  restore(state.at("boxes"), counts.boxes);
  return counts;
}

}  // namespace

json to_json(const SetCounts& counts) {
  json state = {{"frames", counts.frames},
                {"sequences", json::object()},
                {"lane_series", to_json(counts.lane_series)},
                {"road_series", to_json(counts.road_series)},
                {"any_series", to_json(counts.any_series)},
                {"lane_flicker", to_json(counts.lane_flicker)},
                {"road_flicker", to_json(counts.road_flicker)},
                {"lanes", table_to_json(counts.lanes)},
                {"tracked", json::object()},
                {"unusable", json::object()},
                {"missing", counts.missing}};
  for (const auto& [name, sequence] : counts.sequences) state["sequences"][name] = to_json(sequence);
  for (const auto& [name, drive] : counts.tracked) state["tracked"][name] = to_json(drive);
  for (const auto& [complaint, what] : counts.unusable)
    state["unusable"][complaint] = {what.frames, what.values, what.first};
  return state;
}

SetCounts counts_from_json(const json& state, const EvaluationOptions& options) {
  SetCounts counts(options);
  try {
    counts.frames = state.at("frames");
    for (const auto& [name, sequence] : state.at("sequences").items())
      counts.sequences.emplace(name, sequence_from_json(sequence, options));
    series_from_json(state.at("lane_series"), counts.lane_series);
    series_from_json(state.at("road_series"), counts.road_series);
    series_from_json(state.at("any_series"), counts.any_series);
    flicker_from_json(state.at("lane_flicker"), counts.lane_flicker);
    flicker_from_json(state.at("road_flicker"), counts.road_flicker);
    restore(state.at("lanes"), counts.lanes);
    for (const auto& [name, drive] : state.at("tracked").items()) counts.tracked[name] = tracked_drive_from_json(drive);
    for (const auto& [complaint, what] : state.at("unusable").items())
      counts.unusable[complaint] = {what.at(0), what.at(1), what.at(2)};
    counts.missing = state.at("missing").get<std::map<std::string, int64_t>>();
  } catch (const json::exception& error) {
    fail("evaluation state: {}", error.what());
  }
  return counts;
}

}  // namespace bevgrad
