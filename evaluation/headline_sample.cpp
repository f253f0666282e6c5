#include "evaluation/headline_sample.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace bevgrad {
namespace {

std::vector<std::array<IouCounts, kNumStrata>> counts_of(const IouAccumulator& iou) {
  std::vector<std::array<IouCounts, kNumStrata>> counts(iou.class_names().size());
  for (size_t c = 0; c < counts.size(); ++c)
    for (size_t s = 0; s < kNumStrata; ++s) counts[c][s] = iou.counts(c, static_cast<Stratum>(s));
  return counts;
}

void add(IouCounts& sum, const IouCounts& counts, int64_t weight = 1) {
  sum.intersection += weight * counts.intersection;
  sum.predicted += weight * counts.predicted;
  sum.truth += weight * counts.truth;
}

void add(SeriesCounts& sum, const SeriesCounts& counts, int64_t weight = 1) {
  sum += {weight * counts.predicted, weight * counts.right, weight * counts.truth, weight * counts.found,
          static_cast<double>(weight) * counts.distance};
}

}  // namespace

HeadlineSample::HeadlineSample(const std::map<std::string, SetCounts>& sets, const EvaluationOptions& options)
    : has_series_(options.series_eval && !options.series_conf.empty() && !options.ranges.empty()) {
  std::vector<const SetCounts*> of_sequence;
  std::vector<std::string> series;
  for (const auto& [set, counts] : sets)
    for (const auto& [name, sequence] : counts.sequences) {
      sequences_.push_back(set + "/" + name);
      of_sequence.push_back(&counts);
      series.push_back(name);
      Sequence one{set, counts_of(sequence.lane_iou), counts_of(sequence.road_iou), {}, {}};
      if (has_series_) one.fixed = counts.lane_series.counts(options.series_conf.size() - 1, 0, 0, kAllCells, &name);
      counts_.push_back(std::move(one));
    }
  choose_thresholds(of_sequence, series);
  const auto sequence_counts = [&](size_t i) -> const SequenceCounts& {
    return of_sequence[i]->sequences.at(series[i]);
  };
  for (size_t c = 0; c < options.labels.instance_classes.size(); ++c)
    instances_.push_back(ranked(
        sequences_.size(), [&](size_t i) -> auto& { return sequence_counts(i).instances[c]; }));
  for (size_t c = 0; c < options.labels.dynamic_classes.size(); ++c)
    for (size_t k = 0; k < options.dynamic_distances.size(); ++k)
      boxes_.push_back(ranked(
          sequences_.size(), [&](size_t i) -> auto& { return sequence_counts(i).boxes[c][k]; }));
}

void HeadlineSample::choose_thresholds(const std::vector<const SetCounts*>& sets,
                                       const std::vector<std::string>& series) {
  if (sets.empty()) return;
  const std::vector<double>& thresholds = sets[0]->any_series.options().conf;
  std::vector<SeriesCounts> sum(thresholds.size());
  const auto counts = [&](size_t i, size_t k, Stratum s) { return sets[i]->any_series.counts(k, 0, 0, s, &series[i]); };
  for (size_t i = 0; i < sets.size(); ++i)
    for (size_t k = 0; k < thresholds.size(); ++k) add(sum[k], counts(i, k, kAllCells));
  for (size_t i = 0; i < sets.size(); ++i) {
    size_t chosen = static_cast<size_t>(
        std::find_if(thresholds.begin(), thresholds.end(), [](double t) { return t > 0.5 - 1e-9; }) -
        thresholds.begin());
    Ratio best;
    for (size_t k = 0; k < thresholds.size(); ++k) {
      SeriesCounts others = sum[k];
      add(others, counts(i, k, kAllCells), -1);
      const Ratio f1 = others.f1();
      if (f1 && *f1 > best.value_or(0)) best = f1, chosen = k;
    }
    thresholds_.push_back(thresholds[chosen]);
    const IouAccumulator& cells = sets[i]->sequences.at(series[i]).any_iou;
    for (size_t s = 0; s < kNumStrata; ++s) {
      AnyMark& any = counts_[i].any[s];
      any.lines = counts(i, chosen, static_cast<Stratum>(s));
      any.cells = cells.counts(0, static_cast<Stratum>(s), static_cast<float>(thresholds[chosen]));
      any.low = any.high = thresholds[chosen];
    }
  }
}

template <class CountsOf>
HeadlineSample::RankedList HeadlineSample::ranked(size_t count, CountsOf counts_of) const {
  RankedList list;
  for (size_t i = 0; i < count; ++i) {
    const ApCounts& counts = counts_of(i);
    list.truths.push_back(counts.truths[kAllCells]);
    for (const RankedDetection& d : counts.detections)
      list.detections.push_back({d.score, d.right, static_cast<uint32_t>(i)});
  }
  std::stable_sort(list.detections.begin(), list.detections.end(),
                   [](const Ranked& a, const Ranked& b) { return a.score > b.score; });
  return list;
}

std::vector<PrecisionRecall> HeadlineSample::curve(const RankedList& list, std::span<const int> weights,
                                                   int64_t truths) const {
  std::vector<PrecisionRecall> points;
  points.reserve(list.detections.size());
  double right = 0, all = 0;
  for (const Ranked& d : list.detections) {
    const int weight = weights[d.sequence];
    if (weight == 0) continue;
    all += weight;
    right += d.right ? weight : 0;
    points.push_back({right / all, right / static_cast<double>(truths), d.score});
  }
  return points;
}

HeadlineSample::AnyMark HeadlineSample::any_mark(Stratum stratum, const std::string& val_set) const {
  AnyMark sum;
  for (const Sequence& sequence : counts_) {
    if (!val_set.empty() && sequence.val_set != val_set) continue;
    const AnyMark& any = sequence.any[stratum];
    add(sum.lines, any.lines);
    add(sum.cells, any.cells);
    sum.low = std::min(sum.low, any.low);
    sum.high = std::max(sum.high, any.high);
  }
  return sum;
}

std::map<std::string, double> HeadlineSample::figures(std::span<const int> weights) const {
  std::map<std::string, double> values;
  const auto put = [&](const std::string& name, Ratio value) {
    if (value) values[name] = *value;
  };
  const auto mean_iou = [&](auto Sequence::*task, Stratum stratum) {
    std::vector<Ratio> of_class;
    for (size_t c = 0; !counts_.empty() && c < (counts_[0].*task).size(); ++c) {
      IouCounts sum;
      for (size_t i = 0; i < counts_.size(); ++i) add(sum, (counts_[i].*task)[c][stratum], weights[i]);
      of_class.push_back(sum.iou());
    }
    return mean_of(of_class);
  };
  for (const auto& [stratum, suffix] : {std::pair{kAllCells, ""}, {kHiddenNow, "_hidden"}}) {
    const Ratio lane = mean_iou(&Sequence::lane, stratum), road = mean_iou(&Sequence::road, stratum);
    put(std::string("lane_miou") + suffix, lane);
    put(std::string("road_miou") + suffix, road);
    put(std::string("miou") + suffix, mean_of(std::vector{lane, road}));
  }
  for (const auto& [stratum, suffix] : {std::pair{kAllCells, ""}, {kSeenNow, "_seen"}, {kHiddenNow, "_hidden"}}) {
    SeriesCounts lines;
    IouCounts cells;
    for (size_t i = 0; i < counts_.size(); ++i) {
      add(lines, counts_[i].any[stratum].lines, weights[i]);
      add(cells, counts_[i].any[stratum].cells, weights[i]);
    }
    put(std::string("lane_any_f1") + suffix, lines.f1());
    put(std::string("lane_any_iou") + suffix, cells.iou());
  }
  if (has_series_) {
    SeriesCounts fixed;
    for (size_t i = 0; i < counts_.size(); ++i) add(fixed, counts_[i].fixed, weights[i]);
    put("lane_f1", fixed.f1());
  }
  const auto mean_ap = [&](const std::vector<RankedList>& lists, auto average) {
    std::vector<Ratio> aps;
    for (const RankedList& list : lists) {
      int64_t truths = 0;
      for (size_t i = 0; i < list.truths.size(); ++i) truths += weights[i] * list.truths[i];
      aps.push_back(truths == 0 ? Ratio() : average(curve(list, weights, truths)));
    }
    return mean_of(aps);
  };
  put("instance_map", mean_ap(instances_, [](auto points) { return area_under(std::move(points)); }));
  put("dynamic_map", mean_ap(boxes_, [](const auto& points) { return nuscenes_area_under(points); }));
  return values;
}

std::map<std::string, double> HeadlineSample::figures() const {
  return figures(std::vector<int>(sequences_.size(), 1));
}

std::map<std::string, std::vector<double>> HeadlineSample::replicates() const {
  std::map<std::string, std::vector<double>> values;
  if (sequences_.size() < 2) return values;
  std::vector<std::map<std::string, double>> drawn(kReplicates);
#pragma omp parallel for schedule(dynamic)
  for (int r = 0; r < kReplicates; ++r) {
    std::mt19937_64 random(0x5EED0000u + static_cast<uint64_t>(r));
    std::vector<int> weights(sequences_.size(), 0);
    for (size_t i = 0; i < weights.size(); ++i) ++weights[random() % weights.size()];
    drawn[static_cast<size_t>(r)] = figures(weights);
  }
  for (const auto& [name, value] : figures()) {
    std::vector<double>& all = values[name];
    for (const auto& one : drawn) {
      const auto found = one.find(name);
      all.push_back(found == one.end() ? std::numeric_limits<double>::quiet_NaN() : found->second);
    }
  }
  return values;
}

}  // namespace bevgrad
