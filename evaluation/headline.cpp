#include "evaluation/headline.h"

#include <algorithm>
#include <cmath>

namespace bevgrad {
namespace {

/// The value below which a share of ascending values lies, between two of them.
double quantile(const std::vector<double>& sorted, double share) {
  const double at = share * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<size_t>(at);
  const double t = at - static_cast<double>(low);
  return low + 1 < sorted.size() ? sorted[low] * (1 - t) + sorted[low + 1] * t : sorted[low];
}

const std::vector<double>* find(const Headline& headline, const std::string& name) {
  const auto found = headline.replicates.find(name);
  return found == headline.replicates.end() ? nullptr : &found->second;
}

/// b - a, draw by draw; nothing where the draws are not the same.
std::vector<double> differences(const Headline& a, const Headline& b, const std::string& name) {
  const auto *x = find(a, name), *y = find(b, name);
  std::vector<double> apart;
  if (!x || !y || x->size() != y->size() || a.sequences != b.sequences) return apart;
  for (size_t i = 0; i < x->size(); ++i) apart.push_back((*y)[i] - (*x)[i]);
  return apart;
}

/// How often the draws say that there is no change, or one the other way: both sides.
Cell p_value(const std::vector<double>& differences) {
  double below = 1, above = 1, all = 1;
  for (const double d : differences) {
    if (std::isnan(d)) continue;
    below += d <= 0;
    above += d >= 0;
    all += 1;
  }
  return std::min(1.0, 2 * std::min(below, above) / all);
}

}  // namespace

const std::vector<HeadlineFigure>& headline_figures() {
  static const std::vector<HeadlineFigure> figures = {
      {"lane_any_f1_hidden", "F1, any lane mark, hidden now",
       "as lane_any_f1, over cells that are hidden now but were seen in the window"},
      {"lane_any_f1_seen", "F1, any lane mark, seen now", "as lane_any_f1, over cells that a sensor sees now"},
      {"lane_any_f1", "F1, any lane mark",
       "any mark against any within the tolerance, at the threshold that is best on the other sequences"},
      {"lane_any_iou_hidden", "IoU, any lane mark, hidden now", "as lane_any_iou, over cells that are hidden now"},
      {"lane_any_iou_seen", "IoU, any lane mark, seen now", "as lane_any_iou, over cells that a sensor sees now"},
      {"lane_any_iou", "IoU, any lane mark", "cell by cell, without tolerance, at the threshold of lane_any_f1"},
      {"miou", "IoU, lanes and road", "the mean of the lanes' and the road's mean IoU"},
      {"lane_miou", "IoU, lane types", "mean IoU over the lane types that occur, at eval.iou_threshold"},
      {"road_miou", "IoU, road", "mean IoU over the road classes that occur, at eval.iou_threshold"},
      {"miou_hidden", "IoU where hidden now", "as miou, over cells that are hidden now but were seen in the window"},
      {"lane_miou_hidden", "IoU, lane types, hidden now", "as lane_miou, over cells that are hidden now"},
      {"road_miou_hidden", "IoU, road, hidden now", "as road_miou, over cells that are hidden now"},
      {"lane_f1", "F1, any lane mark, fixed threshold",
       "F1 within the tolerance of any mark against any, in the first range, at the last of eval.series_eval_conf"},
      {"instance_map", "AP, static instances", "mean AP by rotated IoU over the classes that occur"},
      {"dynamic_map", "AP, 3-D boxes", "mean nuScenes AP over the classes that occur and all distances"}};
  return figures;
}

std::optional<Interval> interval_of(const std::vector<double>& replicates) {
  std::vector<double> sorted;
  std::copy_if(replicates.begin(), replicates.end(), std::back_inserter(sorted),
               [](double v) { return !std::isnan(v); });
  if (sorted.empty() || sorted.size() * 10 < replicates.size() * 9) return std::nullopt;
  std::sort(sorted.begin(), sorted.end());
  return Interval{quantile(sorted, 0.025), quantile(sorted, 0.975)};
}

Table headline_table(const Headline& headline) {
  Table table{"headline",
              "Headline figures with their 95 % intervals over sequences",
              {{"figure", true}, {"value", false}, {"low", false}, {"high", false}, {"sequences", false}},
              {}};
  for (const HeadlineFigure& figure : headline_figures()) {
    const auto value = headline.figures.find(figure.name);
    if (value == headline.figures.end()) continue;
    const auto* replicates = find(headline, figure.name);
    const auto interval = replicates ? interval_of(*replicates) : std::nullopt;
    table.add_row({figure.name, value->second, interval ? Cell(interval->low) : Cell(),
                   interval ? Cell(interval->high) : Cell(), static_cast<int64_t>(headline.sequences.size())});
  }
  return table;
}

Table headline_comparison(const Headline& a, const Headline& b, const std::string& name_a, const std::string& name_b) {
  Table table{"headline_comparison",
              "Headline figures: " + name_a + " against " + name_b,
              {{"figure", true},
               {name_a, false},
               {name_b, false},
               {"change", false},
               {"low", false},
               {"high", false},
               {"p", false}},
              {}};
  for (const HeadlineFigure& figure : headline_figures()) {
    const auto x = a.figures.find(figure.name), y = b.figures.find(figure.name);
    if (x == a.figures.end() || y == b.figures.end()) continue;
    const std::vector<double> apart = differences(a, b, figure.name);
    const auto interval = apart.empty() ? std::nullopt : interval_of(apart);
    table.add_row({figure.name, x->second, y->second, y->second - x->second, interval ? Cell(interval->low) : Cell(),
                   interval ? Cell(interval->high) : Cell(), interval ? p_value(apart) : Cell()});
  }
  return table;
}

}  // namespace bevgrad
