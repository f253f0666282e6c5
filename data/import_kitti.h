// KITTI's object detection set and its raw drives as a dataset.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace bevgrad {

struct ImportKittiOptions {
  /// The object set's folder that holds calib/, image_2/ and velodyne/ (training/), or drives of the raw data
  /// (.../2011_09_26/2011_09_26_drive_0001_sync).
  std::vector<std::string> folders = {};
  /// 2: the left colour camera, 3: the right one, 0 and 1: the grey ones.
  std::vector<int> cameras = {2};
};

struct ImportKittiReport {
  int64_t frames = 0, sequences = 0, boxes = 0;
  std::map<std::string, int64_t> left_out;  ///< boxes of other classes, by KITTI's names
  std::vector<std::string> remarks;
};

/// Writes lmdb/frames, lmdb.txt and all.txt into `out`, which must not exist or be empty and appears only when all is
/// done. Throws in one line that names file and line for whatever is missing, damaged or out of range.
///
/// - Ego frame: 0.81 m behind the LiDAR (over the rear axle) and 1.73 m below it (on the ground), its axes.
/// - Cameras: the rectified ones, image_2 and so on, without distortion.
/// - Boxes: Car and Van -> car, Truck -> truck, Pedestrian and Person_sitting -> person, Cyclist -> non_motor. Their
///   points are counted. Others are left out.
/// - The object set: every frame is a sequence of its own at time 0, since the set tells neither time nor pose. Only
/// what
///   the left colour camera sees is labelled, so the points outside its picture are left out. Frames without label_2/
///   are not labelled.
/// - Raw drives: a drive is a sequence; poses from oxts; boxes from tracklet_labels.xml where there is one, with their
///   velocity. Frames without a LiDAR file are left out.
ImportKittiReport import_kitti(const std::string& out, const ImportKittiOptions& options);

}  // namespace bevgrad
