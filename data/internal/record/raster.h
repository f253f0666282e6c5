// A record's rasters: layers of cells, a bit or two each, deflated.
#pragma once
#include "data/record.h"
#include "data/record.pb.h"

namespace bevgrad {

/// `raster`: uint8 [layers,rows,columns] of 0, 1 and 255 on `grid`. Throws for any other value.
void store_raster(const Tensor& raster, const LabelGrid& grid, const std::string& field, records::Raster* out);
/// uint8 [layers,rows,columns]; the stored grid and number of layers must be these.
Tensor load_raster(const records::Raster& stored, int64_t layers, const LabelGrid& grid, const RecordOrigin& origin,
                   const std::string& field);

}  // namespace bevgrad
