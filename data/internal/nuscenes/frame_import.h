// nuScenes frames, wherever their description came from, as records.
#pragma once
#include <optional>
#include <string>

#include "data/import_nuscenes.h"
#include "data/maps/vector_map.h"
#include "data/maps/visibility.h"
#include "internal/nuscenes/cloud.h"
#include "internal/nuscenes/info.h"
#include "internal/pictures.h"

namespace bevgrad {

class FrameImport {
 public:
  /// Files are looked for under `files`. `map_kinds`: what the frames' maps tell, with their classes.
  FrameImport(std::string files, std::vector<std::string> cameras, const MapClasses& classes,
              const std::vector<std::string>& map_kinds, ImportReport& report);

  /// The record's bytes. `map` may be null: the frame has the infos' own shapes at most. Throws in one line that names
  /// the frame for what is missing, damaged or out of range. The record lacks cameras that the frame lacks.
  std::string encode(const InfoFrame& frame, int64_t sequence, const MapLabeller* map);
  /// From the next frame on, frames have rasters of what the sensors see; they are a sequence in the order of time.
  void begin_visibility(const VisibilityOptions& options) {
    visibility_ = options;
    tracker_.emplace(options);
  }
  void add_remarks();

 private:
  Tensor read_points(const InfoFrame& frame);
  void add_labels(const InfoFrame& frame, const MapLabeller* map, const Tensor& points, records::Sample* out);
  void add_picture(const InfoFrame& frame, size_t camera, records::Sample* out);

  std::string files_;
  std::vector<std::string> cameras_;
  MapClasses classes_;
  LabelSchema schema_;
  ImportReport& report_;
  CloudRemarks clouds_;
  VisibilityOptions visibility_;
  std::optional<VisibilityTracker> tracker_;
  PictureReader pictures_;
  std::map<std::string, std::string> where_;  // of every key
  std::map<std::string, int64_t> without_;    // pictures, by camera
};

}  // namespace bevgrad
