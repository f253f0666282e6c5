// The pictures of an import.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "data/image_codec.h"
#include "data/record.pb.h"
#include "geometry/camera.h"

namespace bevgrad {

/// Reads, checks and stores pictures, and keeps in mind what was odd about them.
class PictureReader {
 public:
  /// Fills in calibration and picture. A JPEG is kept byte for byte, a PNG becomes a JPEG of quality 95. A camera
  /// without a size has the picture's. Refused, naming `where` (the calibration's place) and `path`, are damaged
  /// pictures, those of another size than the calibration's, those that do not hold the principal point, and those that
  /// an EXIF tag turns: the calibration would not be theirs.
  ImageSize store(Camera camera, const std::string& name, const std::string& group, const std::string& path,
                  const std::string& where, records::Camera* out);

  /// Adds a line for each oddity.
  void add_remarks(std::vector<std::string>& remarks) const;

 private:
  int64_t with_stray_bytes_ = 0, from_png_ = 0;
  std::string first_stray_;
};

}  // namespace bevgrad
