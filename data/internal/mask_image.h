// Masks that are painted, as polygons.
#pragma once
#include <string>

#include "geometry/camera.h"

namespace bevgrad {

/// The pixels that are not 0 (black, or a palette's first colour) of a PNG of width x height. Outlines are simplified
/// by half a pixel, or by as much as makes their corners few enough for a record, at most 4 pixels. Throws, naming the
/// file, for what is no such PNG and for outlines that are longer.
EgoMask read_mask_image(const std::string& path, int width, int height);

}  // namespace bevgrad
