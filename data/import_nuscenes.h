// nuScenes key frames (or anything else in their shape) as a dataset: mmdetection3d's info pickle with its JPEGs and
// .pcd.bin files.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/image_codec.h"
#include "data/maps/vector_map.h"

namespace bevgrad {

inline const std::vector<std::string> kNuscenesCameras = {"CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT",
                                                          "CAM_BACK_LEFT",  "CAM_BACK",  "CAM_BACK_RIGHT"};

/// Throws UsageError unless there are some, each of them once.
void check_camera_names(const std::vector<std::string>& cameras);

struct ImportOptions {
  std::string info = {};    ///< the .pkl; read without executing anything in it
  std::string images = {};  ///< folder of the pictures and LiDAR files: as the info names them, by their file names
                            ///< alone, or in nuScenes' samples/<sensor>/
  /// Every frame must have these; others are left out.
  std::vector<std::string> cameras = kNuscenesCameras;
  /// Seconds between key frames from which on they are another drive, where the info has no scene tokens.
  double new_sequence_after = 1.5;
  MapClasses classes = {};  ///< changes of the classes that the infos' map vectors become
  /// nuScenes' raster of the drivable area where the frames are (maps/<token>.png), which labels it and its edges.
  std::string drivable = {};
};

struct ImportReport {
  int64_t frames = 0, sequences = 0, boxes = 0;
  int64_t shapes = 0;                       ///< of maps, over all frames
  std::map<std::string, int64_t> by_list;   ///< frames of each list
  std::map<std::string, int64_t> left_out;  ///< boxes of other classes, by the info's names
  std::vector<std::string> remarks;         ///< what a person should know, a line each
  std::vector<ImageSize> image_size;        ///< of the pictures, in the order of the cameras
};

/// Writes lmdb/frames, lmdb.txt and all.txt into `folder`, which must not exist or be empty and appears only when all
/// is done. Throws in one line for whatever is missing, damaged or out of range.
///
/// - Infos of mmdetection3d: version 2 ('data_list') and version 1 ('infos', or the bare list), with the names that
///   BEVFusion's and StreamMapNet's converters give to the same things.
/// - Sequences: frames of one scene token in the order of their timestamps. Without tokens: of one log, by the name of
///   the LiDAR files, with gaps of at most `new_sequence_after`.
/// - Ego frame: nuScenes' own (rear axle, on the ground), at the LiDAR's moment.
/// - Cameras: intrinsics from cam2img; extrinsics from lidar2ego * inverse(lidar2cam), which holds the vehicle's motion
///   between the LiDAR's and the camera's moment, or else cam2ego. JPEGs are kept as they are.
///   Refused are pictures of another size than the info says, than the camera's others, or that do not hold the
///   principal point, and those that an EXIF tag turns: the calibration would not be theirs.
/// - Points: x, y, z, intensity / 255 (or as it is, where a file's lie within 0..1). A file is refused whose points are
///   not whole, and one that holds less than four fifths of the points that were counted in the frame's boxes: it is
///   truncated, or belongs to another frame.
/// - Boxes: from the LiDAR's frame into the ego frame, with velocity (absent where the info has NaN) and the number of
///   LiDAR points. car -> car; truck, trailer, construction_vehicle -> truck; bus -> bus; pedestrian -> person; bicycle
///   and motorcycle -> non_motor, or riderless_non_motor where cam_instances says without_rider (or, where no camera
///   says anything, it does not move); barrier -> barrier; traffic_cone -> pillar. Other labels are left out.
/// - Map vectors of MapTRv2's infos ('annotation'): dividers, crossings and boundaries. Dividers do not say how they
/// are
///   painted and have no class unless `classes` gives them one.
/// - Lane marks and road elements of other infos, static instances and visibility: not labelled.
ImportReport import_nuscenes(const std::string& folder, const ImportOptions& options);

}  // namespace bevgrad
