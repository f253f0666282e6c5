#include "evaluation/evaluator.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "evaluation/lane_vectors.h"
#include "evaluation/matching_ap.h"
#include "internal/counts.h"

namespace bevgrad {
namespace {

void validate(const EvaluationOptions& options) {
  const auto require = [](bool condition, const std::string& message) {
    if (!condition) throw UsageError("eval: " + message);
  };
  for (const double conf : options.series_conf)
    require(conf > 0 && conf <= 1, fmt::format("series_eval_conf {}, expected above 0 and at most 1", conf));
  require(options.series_distance > 0 && std::isfinite(options.series_distance),
          fmt::format("series_dis_thresh {}, expected above 0", options.series_distance));
  for (const auto& range : options.ranges)
    require(range.x_min < range.x_max && range.y_min < range.y_max,
            fmt::format("range {} is empty: y {} to {}, x {} to {}", range.name, range.y_min, range.y_max, range.x_min,
                        range.x_max));
  require(options.ranges.size() <= 32, fmt::format("{} ranges, at most 32", options.ranges.size()));
  require(options.iou_threshold > 0 && options.iou_threshold <= 1,
          fmt::format("iou_threshold {}, expected above 0 and at most 1", options.iou_threshold));
  require(options.instance_iou > 0 && options.instance_iou <= 1,
          fmt::format("instance_iou {}, expected above 0 and at most 1", options.instance_iou));
  require(options.lane_vector_points >= 2,
          fmt::format("querylane_points_num {}, expected at least 2", options.lane_vector_points));
  require(!options.chamfer_ap || !options.chamfer_thresholds.empty(), "no Chamfer thresholds");
}

/// Labels and predictions of one raster task, where both are there.
bool has_task(const char* task, const ProbabilityRaster& probabilities, const LabelRaster& labels,
              const std::string& key, SetCounts& counts) {
  if (probabilities.empty()) return false;
  if (const int64_t values = count_non_finite(probabilities)) counts.non_finite[task].merge({1, values, key});
  if (labels.empty()) ++counts.missing[task];
  return !labels.empty();
}

}  // namespace

std::vector<ScoredInstance> scored_instances(const Tensor& instances, const Tensor& scores, int64_t sample) {
  check(instances.defined() && instances.dim() == 3 && instances.size(2) == 6 && scores.dim() == 2 &&
            scores.size(0) == instances.size(0) && scores.size(1) == instances.size(1) && sample >= 0 &&
            sample < instances.size(0),
        "scored_instances: sample {} of instances {} and scores {}, expected [N,max,6] and [N,max]", sample,
        describe(instances), describe(scores));
  std::vector<ScoredInstance> rows;
  for (int64_t i = 0; i < instances.size(1); ++i) {
    const float* row = instances.data<const float>() + sample * instances.stride(0) + i * instances.stride(1);
    const auto value = [&](int64_t k) { return static_cast<double>(row[k * instances.stride(2)]); };
    if (!(value(5) >= 0)) continue;
    const double score = scores.data<const float>()[sample * scores.stride(0) + i * scores.stride(1)];
    rows.push_back({{value(0), value(1), value(2), value(3), value(4), static_cast<int>(value(5))}, score});
  }
  return rows;
}

std::vector<ScoredBox> scored_boxes(const Tensor& boxes, int64_t sample) {
  check(boxes.defined() && boxes.dim() == 3 && boxes.size(2) == 11 && sample >= 0 && sample < boxes.size(0),
        "scored_boxes: sample {} of {}, expected [N,max,11]", sample, describe(boxes));
  std::vector<ScoredBox> rows;
  for (int64_t i = 0; i < boxes.size(1); ++i) {
    const float* row = boxes.data<const float>() + sample * boxes.stride(0) + i * boxes.stride(1);
    const auto value = [&](int64_t k) { return static_cast<double>(row[k * boxes.stride(2)]); };
    if (!(value(10) >= 0)) continue;
    Box3d box;
    box.x = value(0), box.y = value(1), box.z = value(2);
    box.l = value(3), box.w = value(4), box.h = value(5);
    box.yaw = value(6);
    box.vx = value(7), box.vy = value(8);
    box.class_id = static_cast<int>(value(10));
    rows.push_back({box, value(9)});
  }
  return rows;
}

Evaluator::Evaluator(EvaluationOptions options) : options_(std::move(options)), counts_(std::make_unique<Counts>()) {
  validate(options_);
}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

void Evaluator::add(const EvaluationFrame& frame) try {
  SetCounts& counts = counts_->sets.try_emplace(frame.val_set, options_).first->second;
  const LabelGrid& grid = options_.labels.grid;
  const auto strata = strata_of(frame.visibility, options_.use_lidar);
  const StratumAt stratum_at = stratum_lookup(strata, grid);
  const std::string series = std::to_string(frame.sequence);
  SampleFigures figures{frame.val_set, frame.key, frame.sequence, frame.timestamp, {}, {}, {}};
  std::vector<Ratio> hidden;

  const bool has_lane = has_task("lane", frame.lane, frame.lane_label, frame.key, counts);
  const bool has_road = has_task("road", frame.road, frame.road_label, frame.key, counts);
  const auto raster_task = [&](const ProbabilityRaster& probabilities, const LabelRaster& labels, IouAccumulator& iou,
                               SeriesAccumulator& lines, FlickerAccumulator& flicker) {
    IouAccumulator of_frame(iou.class_names(), iou.headline());
    of_frame.add(probabilities, labels, strata);
    iou.merge(of_frame);
    hidden.push_back(of_frame.mean_iou(kHiddenNow));
    if (options_.series_eval) lines.add(series, probabilities, labels, strata);
    if (options_.flicker)
      flicker.add(series, flicker_frame(probabilities, labels, frame.timestamp, frame.ego_pose), strata);
    return of_frame.mean_iou(kAllCells);
  };
  if (has_lane)
    figures.lane_iou =
        raster_task(frame.lane, frame.lane_label, counts.lane_iou, counts.lane_series, counts.lane_flicker);
  if (has_road)
    figures.road_iou =
        raster_task(frame.road, frame.road_label, counts.road_iou, counts.road_series, counts.road_flicker);
  figures.hidden_iou = mean_of(hidden);
  if (has_lane && options_.chamfer_ap) {
    const LaneVectorOptions vectors{options_.lane_vector_threshold, options_.lane_vector_points, 1.0};
    count_lanes(lane_vectors(frame.lane, grid, vectors), lane_vectors(frame.lane_label, grid, vectors),
                chamfer_thresholds_of(options_), stratum_at, counts.lanes);
  }
  if (options_.instance_ap && frame.instance_labels)
    count_instances(frame.instances, *frame.instance_labels, options_.instance_iou, stratum_at, counts.instances);
  else if (options_.instance_ap && !frame.instances.empty())
    ++counts.missing["instances"];
  if (options_.dynamic_ap && frame.box_labels)
    count_boxes(frame.boxes, *frame.box_labels, grid, options_.dynamic_distances, stratum_at, counts.boxes);
  else if (options_.dynamic_ap && !frame.boxes.empty())
    ++counts.missing["boxes"];
  for (const auto& [map, values] : frame.non_finite) counts.non_finite[map].merge({1, values, frame.key});
  ++counts.frames;
  counts_->samples.push_back(std::move(figures));
} catch (const UsageError&) {
  throw;
} catch (const Error& error) {
  fail("sample {}: {}", frame.key, error.what());
}

std::string Evaluator::state() const {
  nlohmann::json state = {{"sets", nlohmann::json::object()}, {"samples", nlohmann::json::array()}};
  for (const auto& [name, counts] : counts_->sets) state["sets"][name] = to_json(counts);
  const auto value = [](Ratio r) { return r ? nlohmann::json(*r) : nlohmann::json(); };
  for (const auto& s : counts_->samples)
    state["samples"].push_back(
        {s.val_set, s.key, s.sequence, s.timestamp, value(s.lane_iou), value(s.road_iou), value(s.hidden_iou)});
  std::string bytes;
  nlohmann::json::to_cbor(state, bytes);
  return bytes;
}

void Evaluator::merge(const std::string& bytes) try {
  const auto state = nlohmann::json::from_cbor(bytes);
  for (const auto& [name, counts] : state.at("sets").items())
    counts_->sets.try_emplace(name, options_).first->second.merge(counts_from_json(counts, options_));
  const auto value = [](const nlohmann::json& json) { return json.is_null() ? Ratio() : Ratio(json.get<double>()); };
  for (const auto& s : state.at("samples"))
    counts_->samples.push_back({s.at(0), s.at(1), s.at(2), s.at(3), value(s.at(4)), value(s.at(5)), value(s.at(6))});
} catch (const nlohmann::json::exception& error) {
  fail("evaluation state: {}", error.what());
}

int64_t Evaluator::frames() const {
  int64_t frames = 0;
  for (const auto& [name, counts] : counts_->sets) frames += counts.frames;
  return frames;
}

std::vector<std::string> Evaluator::remarks() const {
  std::vector<std::string> remarks;
  if (frames() == 0) remarks.push_back("no frame was evaluated: every figure is n/a");
  for (const auto& range : options_.ranges) {
    const auto effective = clip_to_grid(range, options_.labels.grid);
    const auto& e = effective.range;
    if (effective.empty)
      remarks.push_back(fmt::format("range {} lies outside the grid: its figures are n/a", range.name));
    else if (effective.clipped)
      remarks.push_back(fmt::format("range {} is clipped to the grid: y {:g} to {:g} m, x {:g} to {:g} m", range.name,
                                    e.y_min, e.y_max, e.x_min, e.x_max));
  }
  for (const auto& [name, counts] : counts_->sets) {
    for (const auto& [map, what] : counts.non_finite)
      remarks.push_back(fmt::format(
          "{}: {} values of {} are NaN or infinite and count as not predicted; in {} of {} frames, first in "
          "sample {}",
          name, what.values, map, what.frames, counts.frames, what.first));
    for (const auto& [what, frames] : counts.missing)
      remarks.push_back(fmt::format("{}: {} of {} frames have no {} labels", name, frames, counts.frames, what));
  }
  return remarks;
}

std::vector<Table> Evaluator::tables() const {
  auto tables = tables_of(counts_->sets, options_);
  tables.push_back(sample_table(counts_->samples));
  return tables;
}

std::vector<std::string> headline_names() {
  return {"miou",    "lane_miou",    "road_miou",  "miou_hidden", "lane_miou_hidden", "road_miou_hidden",
          "lane_f1", "instance_map", "dynamic_map"};
}

std::map<std::string, double> Evaluator::headline() const {
  SetCounts sum(options_);
  for (const auto& [name, counts] : counts_->sets) sum.merge(counts);
  std::map<std::string, double> values;
  const auto put = [&](const std::string& name, Ratio value) {
    if (value) values[name] = *value;
  };
  const auto both = [&](Stratum s) { return mean_of(std::vector{sum.lane_iou.mean_iou(s), sum.road_iou.mean_iou(s)}); };
  put("lane_miou", sum.lane_iou.mean_iou(kAllCells));
  put("road_miou", sum.road_iou.mean_iou(kAllCells));
  put("miou", both(kAllCells));
  put("lane_miou_hidden", sum.lane_iou.mean_iou(kHiddenNow));
  put("road_miou_hidden", sum.road_iou.mean_iou(kHiddenNow));
  put("miou_hidden", both(kHiddenNow));
  if (options_.series_eval && !options_.series_conf.empty() && !options_.ranges.empty())
    put("lane_f1", sum.lane_series.counts(options_.series_conf.size() - 1, 0, 0, kAllCells).f1());
  std::vector<Ratio> aps;
  for (const auto& counts : sum.instances)
    aps.push_back(average_precision(counts.detections, counts.truths[kAllCells]));
  put("instance_map", mean_of(aps));
  aps.clear();
  for (const auto& of_class : sum.boxes)
    for (const auto& counts : of_class)
      aps.push_back(nuscenes_average_precision(counts.detections, counts.truths[kAllCells]));
  put("dynamic_map", mean_of(aps));
  return values;
}

}  // namespace bevgrad
