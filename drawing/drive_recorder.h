// What a whole drive looks like: per sequence an animation of its frames and a stitched map, and per frame the lane
// vectors as GeoJSON.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "drawing/animation.h"
#include "drawing/sample_picture.h"
#include "drawing/stitched_map.h"

namespace bevgrad {

struct DriveRecorderOptions {
  bool pictures = true;    ///< pictures/<val set>/<key>.png, where the report finds them
  bool animations = true;  ///< drives/<val set>_<sequence>.png, animated, five frames a second at most
  bool maps = true;        ///< drives/<val set>_<sequence>_map.png, predicted; _label_map.png, true
  bool lanes = true;       ///< lanes/<val set>/<key>.ego.geojson and .map.geojson
  /// Pictures at most; maps take every frame.
  int64_t max_pictures = 1000;
  /// Sequences that are played side by side.
  size_t side_by_side = 1;
};

/// Takes frames as they come, those of a sequence in time order. `side_by_side` sequences are open at once; where one
/// more begins, the one that was added to the longest ago is completed (and would begin anew under the same name).
/// Memory is that of the open sequences' maps.
class DriveRecorder {
 public:
  /// Throws Error where the folder cannot be made.
  DriveRecorder(std::string folder, const DrawingOptions& drawing, const DriveRecorderOptions& options = {});
  ~DriveRecorder();

  /// `picture.frame` holds what is drawn; cameras and features may be empty. Without `draws_picture` the frame only
  /// takes part in animation and maps.
  void add(const SamplePicture& picture, bool draws_picture = true);
  /// Completes the open sequences' files. Without it they are not written.
  void finish();
  int64_t pictures() const { return pictures_; }
  /// The file of the first picture of each val set.
  const std::map<std::string, std::string>& first_pictures() const { return first_pictures_; }

 private:
  struct Drive;
  Drive& drive_of(const SamplePicture& picture);
  void finish_oldest();

  std::string folder_;
  DrawingOptions drawing_;
  DriveRecorderOptions options_;
  int64_t pictures_ = 0;
  std::map<std::string, std::string> first_pictures_;
  std::vector<std::unique_ptr<Drive>> drives_;  ///< the one added to last at the end
};

}  // namespace bevgrad
