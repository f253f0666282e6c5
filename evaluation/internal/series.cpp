#include "evaluation/series.h"

#include <algorithm>

#include "internal/thinning.h"

namespace bevgrad {
AnyClass any_class(const ProbabilityRaster& probabilities, const LabelRaster& labels) {
  AnyClass any{{1, labels.rows, labels.columns, 0.0f}, {1, labels.rows, labels.columns, 0}};
  auto& probability = any.probability.values;
  auto& label = any.label.values;
  for (int64_t c = 0; c < labels.channels; ++c) {
    const auto p = probabilities.plane(c);
    const auto l = labels.plane(c);
    for (size_t i = 0; i < label.size(); ++i) {
      if (p[i] > probability[i]) probability[i] = p[i];
      if (l[i] == 1)
        label[i] = 1;
      else if (l[i] == 255 && label[i] == 0)
        label[i] = 255;
    }
  }
  return any;
}

void SeriesCounts::operator+=(const SeriesCounts& other) {
  predicted += other.predicted;
  right += other.right;
  truth += other.truth;
  found += other.found;
  distance += other.distance;
}

std::vector<uint8_t> series_predicted(std::span<const float> probability, std::span<const uint8_t> label, float conf,
                                      bool line, int64_t rows, int64_t columns) {
  std::vector<uint8_t> mask(label.size());
  for (size_t i = 0; i < label.size(); ++i) mask[i] = (probability[i] >= conf) & (label[i] != 255);
  return line ? thin_guo_hall(mask, rows, columns) : mask;
}

std::vector<uint8_t> series_truth(std::span<const uint8_t> label, bool line, int64_t rows, int64_t columns) {
  std::vector<uint8_t> mask(label.size());
  for (size_t i = 0; i < label.size(); ++i) mask[i] = label[i] == 1;
  return line ? thin_guo_hall(mask, rows, columns) : mask;
}

EffectiveRange clip_to_grid(const EvaluationRange& range, const LabelGrid& grid) {
  EffectiveRange effective{range, false, false};
  effective.range.x_min = std::max(range.x_min, grid.x_min);
  effective.range.x_max = std::min(range.x_max, grid.x_max);
  effective.range.y_min = std::max(range.y_min, grid.y_min);
  effective.range.y_max = std::min(range.y_max, grid.y_max);
  const auto& e = effective.range;
  effective.clipped =
      e.x_min != range.x_min || e.x_max != range.x_max || e.y_min != range.y_min || e.y_max != range.y_max;
  effective.empty = !(e.x_min < e.x_max && e.y_min < e.y_max);
  return effective;
}

SeriesAccumulator::SeriesAccumulator(Options options)
    : options_(std::move(options)), nearest_(options_.distance, options_.grid.cell) {
  check(options_.line.size() == options_.classes.size(), "series: {} classes and {} line flags",
        options_.classes.size(), options_.line.size());
  check(options_.ranges.size() <= 32, "series: {} ranges, at most 32", options_.ranges.size());
  if (options_.with_other) names_.push_back("Other");
  names_.insert(names_.end(), options_.classes.begin(), options_.classes.end());
  const LabelGrid& grid = options_.grid;
  cell_ranges_.assign(static_cast<size_t>(grid.rows() * grid.columns()), 0);
  for (size_t i = 0; i < options_.ranges.size(); ++i) {
    ranges_.push_back(clip_to_grid(options_.ranges[i], grid));
    const EvaluationRange& range = options_.ranges[i];
    for (int64_t r = 0; r < grid.rows(); ++r)
      for (int64_t c = 0; c < grid.columns(); ++c) {
        const double x = grid.x_min + (static_cast<double>(c) + 0.5) * grid.cell;
        const double y = grid.y_min + (static_cast<double>(r) + 0.5) * grid.cell;
        if (x >= range.x_min && x <= range.x_max && y >= range.y_min && y <= range.y_max)
          cell_ranges_[r * grid.columns() + c] |= 1u << i;
      }
  }
  if (options_.with_other)
    confusion_.assign(options_.conf.size() * options_.classes.size() * options_.classes.size(), 0);
}

void SeriesAccumulator::add(const std::string& series, const ProbabilityRaster& probabilities,
                            const LabelRaster& labels, const std::vector<Stratum>& strata) {
  const auto classes = static_cast<int64_t>(options_.classes.size());
  const int64_t rows = options_.grid.rows(), columns = options_.grid.columns();
  check(probabilities.channels == classes && labels.channels == classes && probabilities.rows == rows &&
            labels.rows == rows && probabilities.columns == columns && labels.columns == columns,
        "series: predictions [{},{},{}] and labels [{},{},{}], expected [{},{},{}]", probabilities.channels,
        probabilities.rows, probabilities.columns, labels.channels, labels.rows, labels.columns, classes, rows,
        columns);
  check(strata.empty() || strata.size() == cell_ranges_.size(), "series: {} visibility cells for a raster of {}",
        strata.size(), cell_ranges_.size());
  auto& counts = series_[series];
  if (counts.empty()) counts.resize(num_counts());
  const size_t first = options_.with_other ? 1 : 0;
  const auto num_conf = static_cast<int64_t>(options_.conf.size());
  std::vector<std::vector<uint8_t>> truths(static_cast<size_t>(classes));
#pragma omp parallel for schedule(dynamic)
  for (int64_t c = 0; c < classes; ++c)
    truths[static_cast<size_t>(c)] =
        series_truth(labels.plane(c), options_.line[static_cast<size_t>(c)], rows, columns);
#pragma omp parallel for schedule(dynamic) collapse(2)
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t k = 0; k < num_conf; ++k)
      count(counts, static_cast<size_t>(k), first + static_cast<size_t>(c),
            series_predicted(probabilities.plane(c), labels.plane(c),
                             static_cast<float>(options_.conf[static_cast<size_t>(k)]),
                             options_.line[static_cast<size_t>(c)], rows, columns),
            truths[static_cast<size_t>(c)], strata);
  if (!options_.with_other) return;
  const AnyClass any = any_class(probabilities, labels);
  const auto truth = series_truth(any.label.values, true, rows, columns);
#pragma omp parallel for schedule(dynamic)
  for (int64_t k = 0; k < num_conf; ++k) {
    const auto conf = static_cast<size_t>(k);
    const auto predicted = series_predicted(any.probability.values, any.label.values,
                                            static_cast<float>(options_.conf[conf]), true, rows, columns);
    count(counts, conf, 0, predicted, truth, strata);
    add_confusion(conf, predicted, truth, probabilities, labels);
  }
}

void SeriesAccumulator::count(std::vector<SeriesCounts>& counts, size_t conf, size_t class_id,
                              const std::vector<uint8_t>& predicted, const std::vector<uint8_t>& truth,
                              const std::vector<Stratum>& strata) const {
  const int64_t rows = options_.grid.rows(), columns = options_.grid.columns();
  const auto at_cell = [&](size_t cell, const SeriesCounts& one) {
    for (size_t range = 0; range < ranges_.size(); ++range) {
      if (!(cell_ranges_[cell] >> range & 1)) continue;
      counts[index(conf, class_id, range, kAllCells)] += one;
      if (!strata.empty()) counts[index(conf, class_id, range, strata[cell])] += one;
    }
  };
  for (size_t cell = 0; cell < cell_ranges_.size(); ++cell) {
    const auto row = static_cast<int64_t>(cell) / columns, column = static_cast<int64_t>(cell) % columns;
    if (predicted[cell]) {
      const auto found = nearest_(truth, rows, columns, row, column);
      at_cell(cell, {.predicted = 1, .right = found.cell >= 0, .distance = found.distance});
    }
    if (truth[cell]) {
      const bool found = nearest_(predicted, rows, columns, row, column).cell >= 0;
      at_cell(cell, {.truth = 1, .found = found});
    }
  }
}

void SeriesAccumulator::add_confusion(size_t conf, const std::vector<uint8_t>& any_predicted,
                                      const std::vector<uint8_t>& any_truth, const ProbabilityRaster& probabilities,
                                      const LabelRaster& labels) {
  const int64_t columns = labels.columns, classes = labels.channels;
  for (int64_t cell = 0; cell < labels.cells(); ++cell) {
    if (!any_predicted[static_cast<size_t>(cell)]) continue;
    const auto found = nearest_(any_truth, labels.rows, columns, cell / columns, cell % columns);
    if (found.cell < 0) continue;
    int64_t predicted = 0, truth = -1;
    for (int64_t c = 1; c < classes; ++c)
      if (probabilities.plane(c)[cell] > probabilities.plane(predicted)[cell]) predicted = c;
    // Where marks of several types overlap, the predicted one is right if it is among them.
    for (int64_t c = 0; c < classes; ++c)
      if (labels.plane(c)[found.cell] == 1 && (truth < 0 || c == predicted)) truth = c;
    ++confusion_[(conf * classes + truth) * classes + predicted];
  }
}

void SeriesAccumulator::merge(const SeriesAccumulator& other) {
  check(other.names_ == names_ && other.num_counts() == num_counts(), "series: counts of other classes or thresholds");
  for (const auto& [series, counts] : other.series_) {
    auto& mine = series_[series];
    if (mine.empty()) mine.resize(num_counts());
    for (size_t i = 0; i < mine.size(); ++i) mine[i] += counts[i];
  }
  for (size_t i = 0; i < confusion_.size(); ++i) confusion_[i] += other.confusion_[i];
}

std::vector<std::string> SeriesAccumulator::series() const {
  std::vector<std::string> names;
  for (const auto& [name, counts] : series_) names.push_back(name);
  return names;
}

SeriesCounts SeriesAccumulator::counts(size_t conf, size_t class_id, size_t range, Stratum stratum,
                                       const std::string* series) const {
  SeriesCounts sum;
  for (const auto& [name, counts] : series_)
    if (!series || *series == name) sum += counts[index(conf, class_id, range, stratum)];
  return sum;
}

int64_t SeriesAccumulator::confusion(size_t conf, size_t true_class, size_t predicted_class) const {
  const size_t classes = options_.classes.size();
  return confusion_.at((conf * classes + true_class) * classes + predicted_class);
}

void SeriesAccumulator::set_state(SeriesState series, std::vector<int64_t> confusion) {
  for (const auto& [name, counts] : series)
    check(counts.size() == num_counts(), "series: a state of {} counts, expected {}", counts.size(), num_counts());
  check(confusion.size() == confusion_.size(), "series: a confusion table of {} cells, expected {}", confusion.size(),
        confusion_.size());
  series_ = std::move(series);
  confusion_ = std::move(confusion);
}

}  // namespace bevgrad
