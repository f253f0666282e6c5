#include "data/class_frequencies.h"

#include <algorithm>
#include <cmath>

namespace bevgrad {
namespace {

std::vector<int64_t> marked_cells(const Tensor& raster, size_t classes) {
  std::vector<int64_t> counts(classes, 0);
  if (!raster.defined()) return counts;
  const int64_t cells = raster.size(1) * raster.size(2);
  const uint8_t* labels = raster.data<const uint8_t>();
  for (size_t c = 0; c < classes; ++c, labels += cells) counts[c] = std::count(labels, labels + cells, uint8_t{1});
  return counts;
}

template <class Item>
std::vector<int64_t> items(const std::vector<Item>& labelled, size_t classes) {
  std::vector<int64_t> counts(classes, 0);
  for (const Item& item : labelled) ++counts.at(static_cast<size_t>(item.class_id));
  return counts;
}

/// All classes of a frame in one row.
std::vector<bool> classes_in(const ClassContents& frame) {
  std::vector<bool> there;
  for (const auto* counts : {&frame.lane_cells, &frame.road_cells, &frame.instances, &frame.boxes})
    for (const int64_t count : *counts) there.push_back(count > 0);
  return there;
}

}  // namespace

std::vector<ClassContents> class_contents(const Dataset& dataset, const std::vector<int64_t>& entries) {
  DatasetOptions labels_only = dataset.options();
  labels_only.groups.clear();
  labels_only.load_images = labels_only.load_points = false;
  const LabelSchema& schema = dataset.options().labels;
  std::vector<ClassContents> contents;
  for (const int64_t entry : entries) {
    const Labels labels = dataset.load(entry, labels_only).labels;
    contents.push_back(
        {marked_cells(labels.lane, schema.lane_classes.size()), marked_cells(labels.road, schema.road_classes.size()),
         items(labels.instances, schema.instance_classes.size()), items(labels.boxes, schema.dynamic_classes.size())});
  }
  return contents;
}

std::vector<int64_t> spread_entries(const Dataset& dataset, int64_t most) {
  const int64_t count = most == 0 ? dataset.size() : std::min(most, dataset.size());
  std::vector<int64_t> entries;
  for (int64_t i = 0; i < count; ++i) entries.push_back(i * dataset.size() / count);
  return entries;
}

std::vector<double> weights_from_counts(const std::vector<int64_t>& counts, double power) {
  std::vector<double> weights(counts.size(), 1);
  double sum = 0, present = 0;
  for (size_t c = 0; c < counts.size(); ++c) {
    if (counts[c] == 0) continue;
    weights[c] = std::pow(static_cast<double>(counts[c]), -power);
    sum += weights[c];
    ++present;
  }
  for (size_t c = 0; c < counts.size(); ++c)
    if (counts[c] > 0) weights[c] *= present / sum;
  return weights;
}

std::vector<double> repeat_factors(const std::vector<ClassContents>& frames, double share) {
  std::vector<std::vector<bool>> there;
  for (const ClassContents& frame : frames) there.push_back(classes_in(frame));
  std::vector<double> holding(there.empty() ? 0 : there.front().size(), 0);
  for (const auto& frame : there)
    for (size_t c = 0; c < holding.size(); ++c) holding[c] += frame[c];
  std::vector<double> factors;
  for (const auto& frame : there) {
    double factor = 1;
    for (size_t c = 0; c < holding.size(); ++c)
      if (frame[c]) factor = std::max(factor, std::sqrt(share * static_cast<double>(frames.size()) / holding[c]));
    factors.push_back(factor);
  }
  return factors;
}

}  // namespace bevgrad
