#include "evaluation/evaluator.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "evaluation/counts.h"
#include "evaluation/headline.h"
#include "evaluation/headline_sample.h"
#include "evaluation/lane_vectors.h"
#include "evaluation/matching_ap.h"

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
  // Rows of tables are told apart by these names, and "mean" and "Other" have rows of their own.
  for (const auto* names : {&options.labels.lane_classes, &options.labels.road_classes,
                            &options.labels.instance_classes, &options.labels.dynamic_classes}) {
    std::set<std::string> seen = {"mean", "Other"};
    for (const std::string& name : *names) {
      require(!name.empty(), "a class has an empty name");
      require(seen.insert(name).second, fmt::format("the class name \"{}\" is {}", name,
                                                    name == "mean" || name == "Other" ? "taken" : "given twice"));
    }
  }
}

/// Labels and predictions of one raster task, where both are there.
bool has_task(const char* task, const ProbabilityRaster& probabilities, const LabelRaster& labels,
              const std::string& key, SetCounts& counts) {
  if (probabilities.empty()) return false;
  int64_t nans = 0;
  for (const float value : probabilities.values) {
    nans += std::isnan(value);
    check(!(value < 0 || value > 1), "{}: {:g} is no probability, expected 0 to 1", task, value);
  }
  if (nans > 0) counts.unusable[fmt::format("values of {} are NaN", task)].merge({1, nans, key});
  if (labels.empty()) ++counts.missing[task];
  return !labels.empty();
}

/// The class in a row of a table: negative for an unused row.
int class_of(double value) {
  if (value < 0) return -1;
  const bool is_class = value < kNoClass && value == std::floor(value);  // false for NaN
  return is_class ? static_cast<int>(value) : kNoClass;
}

/// Items that can be judged; how many cannot goes into `counts`.
template <class Item, class IsBroken>
std::vector<Item> usable(const std::vector<Item>& items, const std::string& complaint, const std::string& key,
                         SetCounts& counts, IsBroken is_broken) {
  std::vector<Item> kept;
  std::copy_if(items.begin(), items.end(), std::back_inserter(kept),
               [&](const Item& item) { return !is_broken(item); });
  if (kept.size() < items.size())
    counts.unusable[complaint].merge({1, static_cast<int64_t>(items.size() - kept.size()), key});
  return kept;
}

std::string complaint_of(const char* items) {
  return fmt::format("{} have a score, place or size that is not finite, a negative size, or a class that there is not",
                     items);
}

}  // namespace

bool is_broken(const Instance& i, size_t classes) {
  const double values[] = {i.x, i.y, i.w, i.h, i.angle};
  return !std::all_of(std::begin(values), std::end(values), [](double v) { return std::isfinite(v); }) || i.w < 0 ||
         i.h < 0 || i.class_id < 0 || static_cast<size_t>(i.class_id) >= classes;
}

bool is_broken(const Box3d& b, size_t classes) {
  const double values[] = {b.x, b.y, b.z, b.l, b.w, b.h, b.yaw};
  return !std::all_of(std::begin(values), std::end(values), [](double v) { return std::isfinite(v); }) || b.l < 0 ||
         b.w < 0 || b.h < 0 || b.class_id < 0 || static_cast<size_t>(b.class_id) >= classes;
}

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
    const int class_id = class_of(value(5));
    if (class_id < 0) continue;
    const double score = scores.data<const float>()[sample * scores.stride(0) + i * scores.stride(1)];
    rows.push_back({{value(0), value(1), value(2), value(3), value(4), class_id}, score});
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
    Box3d box;
    box.class_id = class_of(value(10));
    if (box.class_id < 0) continue;
    box.x = value(0), box.y = value(1), box.z = value(2);
    box.l = value(3), box.w = value(4), box.h = value(5);
    box.yaw = value(6);
    box.vx = value(7), box.vy = value(8);
    rows.push_back({box, value(9), i});
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
  const std::string series = frame.series();
  SampleFigures figures{frame.val_set, frame.key, series, frame.timestamp, {}, {}, {}};
  std::vector<Ratio> hidden;

  SequenceCounts& sequence = counts.sequences.try_emplace(series, options_).first->second;
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
        raster_task(frame.lane, frame.lane_label, sequence.lane_iou, counts.lane_series, counts.lane_flicker);
  if (has_road)
    figures.road_iou =
        raster_task(frame.road, frame.road_label, sequence.road_iou, counts.road_series, counts.road_flicker);
  figures.hidden_iou = mean_of(hidden);
  if (has_lane) {
    const AnyClass any = any_class(frame.lane, frame.lane_label);
    sequence.any_iou.add(any.probability, any.label, strata);
    counts.any_series.add(series, any.probability, any.label, strata);
    sequence.lane_logits.add(frame.lane, frame.lane_label);
  }
  if (has_road) sequence.road_logits.add(frame.road, frame.road_label);
  if (has_lane && options_.chamfer_ap) {
    const LaneVectorOptions vectors{options_.lane_vector_threshold, options_.lane_vector_points, 1.0};
    const auto predicted = lane_vectors(frame.lane, grid, vectors),
               truth = lane_vectors(frame.lane_label, grid, vectors);
    counts.lane_finders.next(series, predicted, truth, frame.timestamp, frame.ego_pose);
    count_lanes(predicted, truth, chamfer_thresholds_of(options_), stratum_at, counts.lanes, &counts.lane_finders);
  }
  const LabelSchema& labels = options_.labels;
  const auto is_wrong = [](const auto& scored, size_t classes) {
    return !std::isfinite(scored.score) || is_broken(scored.box, classes);
  };
  const auto instances = usable(frame.instances, complaint_of("predicted instances"), frame.key, counts,
                                [&](const auto& i) { return is_wrong(i, labels.instance_classes.size()); });
  const auto boxes = usable(frame.boxes, complaint_of("predicted boxes"), frame.key, counts,
                            [&](const auto& b) { return is_wrong(b, labels.dynamic_classes.size()); });
  if (options_.instance_ap && frame.instance_labels)
    count_instances(instances,
                    usable(*frame.instance_labels, complaint_of("labelled instances"), frame.key, counts,
                           [&](const auto& i) { return is_broken(i, labels.instance_classes.size()); }),
                    options_.instance_iou, stratum_at, sequence.instances);
  else if (options_.instance_ap && !frame.instances.empty())
    ++counts.missing["instances"];
  if (options_.dynamic_ap && frame.box_labels) {
    const auto truth = usable(*frame.box_labels, complaint_of("labelled boxes"), frame.key, counts,
                              [&](const auto& b) { return is_broken(b, labels.dynamic_classes.size()); });
    count_boxes(boxes, truth, grid, options_.dynamic_distances, stratum_at, sequence.boxes);
    if (options_.tracking)
      if (auto tracked = tracked_frame(boxes, truth, frame.timestamp, frame.ego_pose, grid))
        counts.tracked[frame.val_set + "/" + series].push_back(std::move(*tracked));
  } else if (options_.dynamic_ap && !frame.boxes.empty()) {
    ++counts.missing["boxes"];
  }
  for (const auto& [map, values] : frame.non_finite)
    counts.unusable[fmt::format("values of {} are NaN or infinite", map)].merge({1, values, frame.key});
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
    if (counts_->sets.size() == 1 && counts.sequences.size() == 1 &&
        counts.total(options_).any_iou.counts(0, kAllCells).truth > 0)
      remarks.push_back(fmt::format(
          "{}: one sequence alone: there is no other to choose the threshold of any lane mark on, it is 0.5, and there "
          "are no intervals",
          name));
    for (const auto& [complaint, what] : counts.unusable)
      remarks.push_back(fmt::format("{}: {} {} and {}; in {} of {} frames, first in sample {}", name, what.values,
                                    complaint,
                                    complaint.starts_with("labelled") ? "are left out" : "count as not predicted",
                                    what.frames, counts.frames, what.first));
    for (const auto& [what, frames] : counts.missing)
      remarks.push_back(fmt::format("{}: {} of {} frames have no {} labels", name, frames, counts.frames, what));
  }
  return remarks;
}

std::vector<Table> Evaluator::tables() const {
  auto tables = tables_of(counts_->sets, options_);
  for (Table& table : sequence_tables_of(counts_->sets, options_)) tables.push_back(std::move(table));
  tables.push_back(sample_table(counts_->samples));
  return tables;
}

std::vector<std::string> headline_names() {
  std::vector<std::string> names;
  for (const HeadlineFigure& figure : headline_figures()) names.push_back(figure.name);
  return names;
}

std::map<std::string, double> Evaluator::headline() const {
  return HeadlineSample(counts_->sets, options_).figures();
}

Headline Evaluator::headline_with_intervals() const {
  const HeadlineSample sample(counts_->sets, options_);
  return {sample.figures(), sample.sequences(), sample.replicates()};
}

}  // namespace bevgrad
