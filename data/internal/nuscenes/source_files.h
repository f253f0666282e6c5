// The pictures and LiDAR files beside an info file or the tables.
#pragma once
#include <string>

#include "internal/nuscenes/info.h"

namespace bevgrad {

/// Where a file that an info names lies: as it is named, by its name alone, or in the sensor's folder. Nothing outside
/// `folder` is ever opened: of a path that leads out of it the file's name counts alone. Throws where there is none.
std::string find_source_file(const std::string& folder, const std::string& sensor, const InfoFile& file);

}  // namespace bevgrad
