// What a whole drive looks like: per sequence an animation of its frames and a stitched map, and per frame the lane
// vectors as GeoJSON.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "train/drawing/animation.h"
#include "train/drawing/sample_picture.h"
#include "train/drawing/stitched_map.h"

namespace bevgrad {

struct DriveRecorderOptions {
  bool pictures = true;    ///< pictures/<val set>/<key>.png, where the report finds them
  bool animations = true;  ///< drives/<val set>_<sequence>.png, an animated PNG at the frames' own pace
  bool maps = true;        ///< drives/<val set>_<sequence>_map.png, predicted; _label_map.png, true
  bool lanes = true;       ///< lanes/<val set>/<key>.ego.geojson and .map.geojson
  /// Pictures at most; the animations and maps take every frame.
  int64_t max_pictures = 1000;
};

/// Takes frames as they come; sequences follow one another (a sequence that comes back later begins anew under the same
/// name). Memory is that of one sequence's maps.
class DriveRecorder {
 public:
  /// Throws Error where the folder cannot be made.
  DriveRecorder(std::string folder, const DrawingOptions& drawing, const DriveRecorderOptions& options = {});
  ~DriveRecorder();

  /// `picture.frame` holds what is drawn; cameras and features may be empty.
  void add(const SamplePicture& picture);
  /// Completes the last sequence's files. Without it they are not written.
  void finish();

 private:
  struct Drive;
  void finish_drive();
  void begin_drive(const SamplePicture& picture);

  std::string folder_;
  DrawingOptions drawing_;
  DriveRecorderOptions options_;
  int64_t pictures_ = 0;
  std::unique_ptr<Drive> drive_;
};

}  // namespace bevgrad
