// Point clouds as files have them: .bin (rows of float32), .npy, .pcd (text, binary, compressed) and .ply (text, binary
// of either byte order).
#pragma once
#include <array>
#include <string>
#include <vector>

namespace bevgrad {

/// The points of a file: x, y, z and an intensity in the file's own unit, 0 where it has none. Those that are not
/// finite are left out.
struct CloudFile {
  std::vector<std::array<double, 4>> points;
  bool has_intensity = false;
};

/// Reads a file by its extension. `columns` names the numbers of a row in .bin and .npy files; PCD and PLY name their
/// own: x, y, z and "intensity" (or "i", "reflectivity", "reflectance", "scalar_Intensity"). Throws in one line for
/// what is damaged, is of another form or has more than 4 million points.
CloudFile read_cloud_file(const std::string& path, const std::vector<std::string>& columns);

}  // namespace bevgrad
