#include "internal/record/raster.h"

#include <cmath>
#include <vector>

#include "internal/record/deflate.h"

namespace bevgrad {

namespace {

/// Stored code of "ignore" at two bits a cell.
constexpr int kIgnoreCode = 3;

size_t layer_bytes(int64_t cells, int bits) {
  return static_cast<size_t>((cells * bits + 7) / 8);
}

}  // namespace

void store_raster(const Tensor& raster, const LabelGrid& grid, const std::string& field, records::Raster* out) {
  check(raster.dtype() == DType::UInt8 && raster.dim() == 3 && raster.is_contiguous() &&
            raster.size(1) == grid.rows() && raster.size(2) == grid.columns(),
        "{}: expected uint8 [layers,{},{}], got {}", field, grid.rows(), grid.columns(), describe(raster));
  const uint8_t* cells = raster.data<const uint8_t>();
  int bits = 1;
  for (int64_t i = 0; i < raster.numel(); ++i) {
    check(cells[i] <= 1 || cells[i] == kIgnoreLabel, "{}: cell {} is {}, expected 0, 1 or 255", field, i, cells[i]);
    if (cells[i] == kIgnoreLabel) bits = 2;
  }
  const int64_t per_layer = grid.rows() * grid.columns();
  std::vector<uint8_t> packed(layer_bytes(per_layer, bits) * static_cast<size_t>(raster.size(0)));
  for (int64_t layer = 0; layer < raster.size(0); ++layer) {
    uint8_t* bytes = packed.data() + layer_bytes(per_layer, bits) * static_cast<size_t>(layer);
    for (int64_t i = 0; i < per_layer; ++i) {
      uint8_t cell = cells[layer * per_layer + i];
      int code = cell == kIgnoreLabel ? kIgnoreCode : cell;
      bytes[i * bits / 8] |= static_cast<uint8_t>(code << (i * bits % 8));
    }
  }
  out->set_x_min(grid.x_min);
  out->set_y_min(grid.y_min);
  out->set_cell(grid.cell);
  out->set_rows(static_cast<uint32_t>(grid.rows()));
  out->set_columns(static_cast<uint32_t>(grid.columns()));
  out->set_layers(static_cast<uint32_t>(raster.size(0)));
  out->set_bits(static_cast<uint32_t>(bits));
  out->set_data(deflated(packed));
}

Tensor load_raster(const records::Raster& stored, int64_t layers, const LabelGrid& grid, const RecordOrigin& origin,
                   const std::string& field) {
  check(stored.rows() == grid.rows() && stored.columns() == grid.columns() &&
            std::abs(stored.x_min() - grid.x_min) < 1e-6 && std::abs(stored.y_min() - grid.y_min) < 1e-6 &&
            std::abs(stored.cell() - grid.cell) < 1e-9,
        "{} is {}x{} cells of {} m from ({}, {}), the config expects {}x{} of {} m from ({}, {})", origin.at(field),
        stored.rows(), stored.columns(), stored.cell(), stored.x_min(), stored.y_min(), grid.rows(), grid.columns(),
        grid.cell, grid.x_min, grid.y_min);
  check(stored.layers() == layers, "{} has {} layers, expected {}", origin.at(field), stored.layers(), layers);
  check(stored.bits() == 1 || stored.bits() == 2, "{} is {}, expected 1 or 2", origin.at(field + ".bits"),
        stored.bits());
  const int bits = static_cast<int>(stored.bits());
  const int64_t per_layer = grid.rows() * grid.columns();
  const size_t bytes_per_layer = layer_bytes(per_layer, bits);
  std::vector<uint8_t> packed = inflated(stored.data(), bytes_per_layer * static_cast<size_t>(layers), origin, field);

  Tensor raster = empty({layers, grid.rows(), grid.columns()}, {.dtype = DType::UInt8});
  const uint8_t value_of[4] = {0, 1, 2, kIgnoreLabel};
  for (int64_t layer = 0; layer < layers; ++layer) {
    const uint8_t* bytes = packed.data() + bytes_per_layer * static_cast<size_t>(layer);
    uint8_t* cells = raster.data<uint8_t>() + layer * per_layer;
    for (int64_t i = 0; i < per_layer; ++i) {
      int code = (bytes[i * bits / 8] >> (i * bits % 8)) & ((1 << bits) - 1);
      check(code != 2, "{}: cell {} of layer {} has the code 2, expected 0, 1 or 3", origin.at(field), i, layer);
      cells[i] = value_of[code];
    }
  }
  return raster;
}

}  // namespace bevgrad
