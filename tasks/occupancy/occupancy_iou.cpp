#include "tasks/occupancy/occupancy_iou.h"

#include <sstream>

#include "tasks/occupancy/occupancy_head.h"
#include "tasks/occupancy/voxels.h"
#include "tensor/ops.h"

namespace bevgrad {

OccupancyIou::OccupancyIou(OccupancySpace space, float freespace_threshold)
    : space_(std::move(space)),
      freespace_threshold_(freespace_threshold),
      pairs_(static_cast<size_t>(space_.scores() * space_.scores())),
      rays_(space_) {}

Ratio OccupancyIou::Overlap::iou() const {
  return ratio(static_cast<double>(both), static_cast<double>(labelled + predicted - both));
}

void OccupancyIou::add(const JudgedFrame& judged) {
  if (!judged.batch.voxels.defined()) return;
  const Tensor logits = ops::narrow(judged.output.at(kOccupancyLogits), 0, judged.sample, 1);
  const Tensor said = likeliest_voxels(logits, space_);
  const Tensor labels = ops::contiguous(ops::select(judged.batch.voxels, 0, judged.sample));
  const Tensor seen = judged.batch.voxels_seen.defined()
                          ? ops::contiguous(ops::select(judged.batch.voxels_seen, 0, judged.sample))
                          : full(labels.sizes(), 255, {.dtype = DType::UInt8});
  const auto counts = [&](int64_t i) { return space_.counts(seen.data<const uint8_t>()[i]); };
  for (int64_t i = 0; i < labels.numel(); ++i) {
    const uint8_t label = labels.data<const uint8_t>()[i];
    if (label == kIgnoreLabel || !counts(i)) continue;
    ++pairs_[static_cast<size_t>(label * space_.scores() + said.data<const uint8_t>()[i])];
  }
  rays_.add(labels.data<const uint8_t>(), said.data<const uint8_t>());
  const LabelRaster truth = drivable_labels(labels, space_);
  const Tensor drivable = drivable_columns(logits, space_);
  const VoxelGrid& grid = space_.grid;
  const int64_t level = std::clamp<int64_t>(grid.level_of(0), 0, grid.levels - 1) * truth.cells();
  for (int64_t i = 0; i < truth.cells(); ++i) {
    const uint8_t label = truth.values[static_cast<size_t>(i)];
    if (label == kIgnoreLabel || !counts(level + i)) continue;
    const bool found = drivable.data<const float>()[i] >= freespace_threshold_;
    freespace_.both += found && label == 1;
    freespace_.labelled += label == 1;
    freespace_.predicted += found;
  }
}

std::string OccupancyIou::state() const {
  std::string text = fmt::format("{} {} {}", freespace_.both, freespace_.labelled, freespace_.predicted);
  for (const int64_t count : pairs_) text += fmt::format(" {}", count);
  for (const int64_t count : rays_.counts()) text += fmt::format(" {}", count);
  return text;
}

void OccupancyIou::merge(const std::string& state) {
  std::istringstream in(state);
  const auto add = [&](int64_t& to) {
    int64_t count = 0;
    in >> count;
    to += count;
  };
  for (int64_t* count : {&freespace_.both, &freespace_.labelled, &freespace_.predicted}) add(*count);
  for (int64_t& count : pairs_) add(count);
  std::vector<int64_t> rays(rays_.counts().size());
  for (int64_t& count : rays) add(count);
  rays_.add_counts(rays);
}

OccupancyIou::Overlap OccupancyIou::of_class(int64_t class_id) const {
  Overlap overlap;
  for (int64_t other = 0; other < space_.scores(); ++other) {
    overlap.labelled += pairs_[static_cast<size_t>(class_id * space_.scores() + other)];
    overlap.predicted += pairs_[static_cast<size_t>(other * space_.scores() + class_id)];
  }
  overlap.both = pairs_[static_cast<size_t>(class_id * space_.scores() + class_id)];
  return overlap;
}

OccupancyIou::Overlap OccupancyIou::occupied() const {
  const Overlap free = of_class(space_.free());
  int64_t all = 0;
  for (const int64_t count : pairs_) all += count;
  return {all - free.labelled - free.predicted + free.both, all - free.labelled, all - free.predicted};
}

Ratio OccupancyIou::mean() const {
  std::vector<Ratio> all;
  for (int64_t c = 0; c < space_.free(); ++c) all.push_back(of_class(c).iou());
  return mean_of(all);
}

std::vector<Table> OccupancyIou::tables() const {
  Table table{"occupancy",
              "Occupancy of voxels",
              {{"class", true},
               {"labelled", false},
               {"predicted", false},
               {"iou", false},
               {"ray_1m", false},
               {"ray_2m", false},
               {"ray_4m", false}},
              {}};
  for (int64_t c = 0; c < space_.free(); ++c) {
    const Overlap overlap = of_class(c);
    table.add_row({space_.classes[static_cast<size_t>(c)], overlap.labelled, overlap.predicted, cell_of(overlap.iou()),
                   cell_of(rays_.of(c, 0)), cell_of(rays_.of(c, 1)), cell_of(rays_.of(c, 2))});
  }
  table.add_row({std::string("mean"), no_value(), no_value(), cell_of(mean()), cell_of(rays_.mean(0)),
                 cell_of(rays_.mean(1)), cell_of(rays_.mean(2))});
  const auto add_row = [&](const char* name, const Overlap& overlap) {
    table.add_row({std::string(name), overlap.labelled, overlap.predicted, cell_of(overlap.iou()), no_value(),
                   no_value(), no_value()});
  };
  add_row("occupied", occupied());
  add_row("freespace", freespace_);
  return {table};
}

std::map<std::string, double> OccupancyIou::headline() const {
  const Ratio rays[] = {rays_.mean(0), rays_.mean(1), rays_.mean(2)};
  std::map<std::string, double> figures;
  const std::pair<const char*, Ratio> all[] = {{"occupancy_iou", occupied().iou()},
                                               {"occupancy_miou", mean()},
                                               {"occupancy_ray_iou", mean_of(rays)},
                                               {"occupancy_freespace_iou", freespace_.iou()}};
  for (const auto& [name, value] : all)
    if (value) figures[name] = *value;
  return figures;
}

}  // namespace bevgrad
