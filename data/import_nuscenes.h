// nuScenes key frames (or anything else in their shape) as a dataset: mmdetection3d's info pickle with its JPEGs and
// .pcd.bin files. The format is that of mmdetection3d 1.x, tools/dataset_converters/update_infos_to_v2.py.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace bevgrad {

struct ImportOptions {
  std::string info;    ///< the .pkl; read without executing anything in it
  std::string images;  ///< folder of the pictures and LiDAR files: as the info names them, by their file names alone,
                       ///< or in nuScenes' samples/<sensor>/
  double new_sequence_after = 1.5;  ///< seconds between key frames from which on they are another drive
};

struct ImportReport {
  int64_t frames = 0, sequences = 0, boxes = 0, boxes_left_out = 0;
};

/// Writes lmdb/frames, lmdb.txt and all.txt into `folder`, which must not exist or be empty and appears only when all
/// is done. Throws in one line for whatever is missing, damaged or out of range.
///
/// - Ego frame: nuScenes' own (rear axle, on the ground), at the LiDAR's moment.
/// - Cameras: intrinsics from cam2img; extrinsics from lidar2ego * inverse(lidar2cam), which holds the vehicle's motion
///   between the LiDAR's and the camera's moment, or else cam2ego. JPEGs are kept as they are.
/// - Points: x, y, z, intensity / 255.
/// - Boxes: from the LiDAR's frame into the ego frame, with velocity (absent where the info has NaN) and the number of
///   LiDAR points. car -> car; truck, trailer, construction_vehicle -> truck; bus -> bus; pedestrian -> person; bicycle
///   and motorcycle -> non_motor, or riderless_non_motor where cam_instances says without_rider (or, where no camera
///   says anything, it does not move); barrier -> barrier; traffic_cone -> pillar. Other labels are left out.
/// - Lane marks, road elements, static instances and visibility: not labelled.
ImportReport import_nuscenes(const std::string& folder, const ImportOptions& options);

}  // namespace bevgrad
