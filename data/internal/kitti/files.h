// KITTI's text files.
#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/sample.h"
#include "geometry/camera.h"
#include "geometry/pose.h"
#include "tensor/tensor.h"

namespace bevgrad {

/// Lines "name: number number ...", lines without numbers left out. Throws, naming the file, where there is none.
std::map<std::string, std::vector<double>> read_kitti_calibration(const std::string& path);

/// The LiDAR in the ego frame.
Pose kitti_lidar2ego();

/// A rectified camera: `projection` (3x4) of rectified points, and where the LiDAR stands before it.
Camera kitti_camera(const std::vector<double>& projection, const Pose& lidar2rectified, const std::string& where);

/// A pose from 12 numbers of the first three rows, or from rotation (9) and translation (3).
Pose kitti_pose(const std::vector<double>& rows, const std::string& where);
Pose kitti_pose(const std::vector<double>& rotation, const std::vector<double>& translation, const std::string& where);

/// A box under KITTI's name of what it holds.
struct KittiBox {
  std::string label;
  Box3d box;
};

/// A file of label_2: boxes in the ego frame. DontCare lines are left out.
std::vector<KittiBox> read_kitti_labels(const std::string& path, const Pose& rectified2ego);

/// An object of tracklet_labels.xml on its way through the frames.
struct KittiTracklet {
  std::string label;
  double length = 0, width = 0, height = 0;
  int first_frame = 0;
  std::vector<Pose> poses;  ///< of the middle of the underside, in the LiDAR's frame
};
std::vector<KittiTracklet> read_kitti_tracklets(const std::string& path);

/// Poses ego -> world of a drive by frame, from oxts/data; the first one is the world's origin, on the ground.
std::vector<Pose> read_kitti_poses(const std::string& drive, const Pose& imu2ego);
/// timestamps.txt: seconds since 1970, by frame. Frames that the drive lost have an empty line there.
std::vector<std::optional<double>> read_kitti_times(const std::string& path);

/// float32 [P,4] in the ego frame, intensity 0..1 as it is.
Tensor read_kitti_points(const std::string& path);

}  // namespace bevgrad
