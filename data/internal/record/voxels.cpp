#include "internal/record/voxels.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "internal/record/class_match.h"
#include "internal/record/deflate.h"

namespace bevgrad {

namespace {

constexpr size_t kMostNames = 253;  // beside free and unknown

Shape sizes_of(const VoxelGrid& grid) {
  return {grid.levels, grid.rows, grid.columns};
}

std::span<const uint8_t> bytes_of(const Tensor& voxels, const VoxelGrid& grid, const char* field) {
  check(voxels.dtype() == DType::UInt8 && voxels.sizes() == sizes_of(grid) && voxels.is_contiguous(),
        "labels.{}: expected uint8 {}, got {}", field, to_string(sizes_of(grid)), describe(voxels));
  return {voxels.data<const uint8_t>(), static_cast<size_t>(voxels.numel())};
}

}  // namespace

void store_voxels(const Labels& labels, const LabelSchema& schema, records::Labels* out) {
  if (!labels.voxels.defined()) return;
  const VoxelGrid& grid = schema.voxels;
  const auto classes = schema.voxel_classes.size();
  std::vector<uint8_t> codes;
  for (const uint8_t label : bytes_of(labels.voxels, grid, "voxels")) {
    check(label <= classes || label == kIgnoreLabel, "labels.voxels: voxel {} is {}, expected 0 to {} or 255",
          codes.size(), label, classes);
    codes.push_back(label == kIgnoreLabel ? kIgnoreLabel
                    : label == classes    ? uint8_t{0}
                                          : static_cast<uint8_t>(label + 1));
  }
  records::Voxels& voxels = *out->mutable_voxels();
  for (const std::string& name : schema.voxel_classes) voxels.add_classes(name);
  voxels.set_x_min(grid.x_min);
  voxels.set_y_min(grid.y_min);
  voxels.set_z_min(grid.z_min);
  voxels.set_cell(grid.cell);
  voxels.set_levels(static_cast<uint32_t>(grid.levels));
  voxels.set_rows(static_cast<uint32_t>(grid.rows));
  voxels.set_columns(static_cast<uint32_t>(grid.columns));
  voxels.set_labels(deflated(codes));
  if (labels.voxels_seen.defined()) voxels.set_seen(deflated(bytes_of(labels.voxels_seen, grid, "voxels_seen")));
}

void load_voxels(const records::Labels& record, const LabelSchema& schema, const RecordOrigin& origin, Labels& labels) {
  if (schema.voxel_classes.empty() || !record.has_voxels()) return;
  const records::Voxels& stored = record.voxels();
  const VoxelGrid& grid = schema.voxels;
  const std::vector<int> match = match_classes(stored.classes(), schema.voxel_classes, origin, "voxels.classes");
  if (!any_matched(match)) return;
  check(match.size() <= kMostNames, "{} has {} names, expected at most {}", origin.at("voxels.classes"), match.size(),
        kMostNames);
  check(stored.levels() == grid.levels && stored.rows() == grid.rows && stored.columns() == grid.columns &&
            std::abs(stored.x_min() - grid.x_min) < 1e-6 && std::abs(stored.y_min() - grid.y_min) < 1e-6 &&
            std::abs(stored.z_min() - grid.z_min) < 1e-6 && std::abs(stored.cell() - grid.cell) < 1e-9,
        "{} are {}x{}x{} of {} m from ({}, {}, {}), the config expects {}x{}x{} of {} m from ({}, {}, {})",
        origin.at("voxels"), stored.levels(), stored.rows(), stored.columns(), stored.cell(), stored.x_min(),
        stored.y_min(), stored.z_min(), grid.levels, grid.rows, grid.columns, grid.cell, grid.x_min, grid.y_min,
        grid.z_min);
  std::array<uint8_t, 256> label_of;
  label_of.fill(kIgnoreLabel);
  label_of[0] = static_cast<uint8_t>(schema.voxel_classes.size());
  for (size_t i = 0; i < match.size(); ++i)
    if (match[i] >= 0) label_of[i + 1] = static_cast<uint8_t>(match[i]);
  const auto count = static_cast<size_t>(grid.count());
  const std::vector<uint8_t> codes = inflated(stored.labels(), count, origin, "voxels.labels");
  labels.voxels = empty(sizes_of(grid), {.dtype = DType::UInt8});
  uint8_t* out = labels.voxels.data<uint8_t>();
  for (size_t i = 0; i < count; ++i) {
    if (codes[i] > match.size() && codes[i] != kIgnoreLabel)
      fail("{}: voxel {} is {}, expected 0 to {}, the number of names, or 255", origin.at("voxels.labels"), i, codes[i],
           match.size());
    out[i] = label_of[codes[i]];
  }
  if (stored.seen().empty()) return;
  const std::vector<uint8_t> seen = inflated(stored.seen(), count, origin, "voxels.seen");
  const auto wrong = std::ranges::find_if(seen, [](uint8_t bits) { return bits > 3; });
  check(wrong == seen.end(), "{}: voxel {} has the bits {}, expected 0 to 3", origin.at("voxels.seen"),
        wrong - seen.begin(), wrong == seen.end() ? 0 : *wrong);
  labels.voxels_seen = empty(sizes_of(grid), {.dtype = DType::UInt8});
  std::ranges::copy(seen, labels.voxels_seen.data<uint8_t>());
}

}  // namespace bevgrad
