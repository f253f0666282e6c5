#include "data/import_kitti.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "data/record.h"
#include "internal/dataset_folder.h"
#include "internal/kitti/files.h"
#include "internal/pictures.h"
#include "internal/points_in_boxes.h"
#include "internal/record/labels.h"
#include "internal/record/number_checks.h"
#include "internal/record/points.h"

namespace bevgrad {

namespace fs = std::filesystem;

namespace {

/// Seconds between two frames of a track beyond which it has stopped.
constexpr double kLongestPause = 0.5;

const char* class_of_kitti(const std::string& label) {
  return label == "Car" || label == "Van"                                                    ? "car"
         : label == "Truck"                                                                  ? "truck"
         : label == "Pedestrian" || label == "Person_sitting" || label == "Person (sitting)" ? "person"
         : label == "Cyclist"                                                                ? "non_motor"
                                                                                             : nullptr;
}

/// The names of a folder's files without their extension, in order.
std::vector<std::string> stems_in(const fs::path& folder, const char* extension) {
  std::vector<std::string> stems;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    if (entry.path().extension() == extension) stems.push_back(entry.path().stem().string());
  std::sort(stems.begin(), stems.end());
  return stems;
}

const std::vector<double>& entry(const std::map<std::string, std::vector<double>>& calibration, const std::string& name,
                                 const std::string& path) {
  const auto found = calibration.find(name);
  check(found != calibration.end(), "{}: has no line '{}'", path, name);
  return found->second;
}

class KittiImport {
 public:
  KittiImport(const ImportKittiOptions& options, DatasetFolder& out, ImportKittiReport& report)
      : options_(options), out_(out), report_(report) {}

  void add(const std::string& folder) {
    if (fs::is_directory(fs::path(folder) / "velodyne_points"))
      add_drive(folder);
    else if (fs::is_directory(fs::path(folder) / "velodyne"))
      add_objects(folder);
    else
      fail("{}: holds neither velodyne/ (the object set) nor velodyne_points/ (a raw drive)", folder);
  }

  void add_remarks() {
    pictures_.add_remarks(report_.remarks);
    if (without_points_ > 0)
      report_.remarks.push_back(fmt::format("{} frames have no LiDAR file and were left out", without_points_));
    if (without_boxes_ > 0) report_.remarks.push_back(fmt::format("{} frames are not labelled", without_boxes_));
  }

 private:
  void add_objects(const std::string& folder) {
    const fs::path root = folder;
    const std::vector<std::string> frames = stems_in(root / "velodyne", ".bin");
    check(!frames.empty(), "{}: holds no velodyne/*.bin", folder);
    for (const std::string& name : frames) {
      const std::string path = (root / "calib" / (name + ".txt")).string();
      const auto calibration = read_kitti_calibration(path);
      const std::vector<double>& r0 = entry(calibration, "R0_rect", path);
      const Pose lidar2rectified = kitti_pose(r0, {0, 0, 0}, path + ": R0_rect") *
                                   kitti_pose(entry(calibration, "Tr_velo_to_cam", path), path + ": Tr_velo_to_cam");
      records::Sample record;
      std::optional<Camera> left;
      for (const int number : options_.cameras) {
        const std::string projection = fmt::format("P{}", number);
        const Camera camera =
            kitti_camera(entry(calibration, projection, path), lidar2rectified, path + ": " + projection);
        add_picture(camera, fmt::format("image_{}", number), picture_path(root / fmt::format("image_{}", number), name),
                    &record);
        if (number == 2) {
          left = camera;
          left->width = static_cast<int>(record.cameras(record.cameras_size() - 1).width());
          left->height = static_cast<int>(record.cameras(record.cameras_size() - 1).height());
        }
      }
      Tensor points = read_kitti_points((root / "velodyne" / (name + ".bin")).string());
      if (left) points = only_seen(points, *left);
      const fs::path labels = root / "label_2" / (name + ".txt");
      std::optional<std::vector<KittiBox>> boxes;
      if (fs::is_regular_file(labels))
        boxes = read_kitti_labels(labels.string(), kitti_lidar2ego() * lidar2rectified.inverse());
      const std::string key = fmt::format("{}/{}", root.lexically_normal().filename().string(), name);
      record.set_place(key);  // nobody says where it was
      put(key, report_.sequences++, 0, {}, points, boxes, record);
    }
  }

  void add_drive(const std::string& folder) {
    const fs::path drive = fs::path(folder).lexically_normal();
    const fs::path date = drive.has_filename() ? drive.parent_path() : drive.parent_path().parent_path();
    const std::string name = drive.has_filename() ? drive.filename().string() : drive.parent_path().filename().string();
    const std::string cameras_path = (date / "calib_cam_to_cam.txt").string();
    const std::string lidar_path = (date / "calib_velo_to_cam.txt").string();
    const std::string imu_path = (date / "calib_imu_to_velo.txt").string();
    const auto cameras = read_kitti_calibration(cameras_path), lidar = read_kitti_calibration(lidar_path),
               imu = read_kitti_calibration(imu_path);
    const Pose lidar2rectified =
        kitti_pose(entry(cameras, "R_rect_00", cameras_path), {0, 0, 0}, cameras_path + ": R_rect_00") *
        kitti_pose(entry(lidar, "R", lidar_path), entry(lidar, "T", lidar_path), lidar_path);
    const Pose imu2lidar = kitti_pose(entry(imu, "R", imu_path), entry(imu, "T", imu_path), imu_path);
    const std::vector<Pose> poses = read_kitti_poses(folder, kitti_lidar2ego() * imu2lidar);
    const std::string times_path = (drive / "velodyne_points/timestamps.txt").string();
    std::vector<std::optional<double>> times = read_kitti_times(times_path);
    while (times.size() > poses.size() && !times.back()) times.pop_back();
    check(times.size() == poses.size(), "{}: {} times, {} poses in oxts/data", times_path, times.size(), poses.size());
    const std::string tracklets_path = (drive / "tracklet_labels.xml").string();
    std::optional<std::vector<KittiTracklet>> tracklets;
    if (fs::is_regular_file(tracklets_path)) tracklets = read_kitti_tracklets(tracklets_path);
    for (size_t i = 0; i < times.size(); ++i) {
      const std::string stem = fmt::format("{:010}", i);
      const fs::path points = drive / "velodyne_points/data" / (stem + ".bin");
      if (!fs::is_regular_file(points)) {
        ++without_points_;
        continue;
      }
      check(times[i].has_value(), "{}:{}: the line is empty, but there is {}", times_path, i + 1, points.string());
      records::Sample record;
      record.set_place(name);  // its poses begin at its first frame
      for (const int number : options_.cameras) {
        const std::string projection = fmt::format("P_rect_{:02}", number);
        add_picture(
            kitti_camera(entry(cameras, projection, cameras_path), lidar2rectified, cameras_path + ": " + projection),
            fmt::format("image_{}", number), picture_path(drive / fmt::format("image_{:02}/data", number), stem),
            &record);
      }
      std::optional<std::vector<KittiBox>> boxes;
      if (tracklets) boxes = boxes_at(*tracklets, static_cast<int>(i), times, poses);
      put(fmt::format("{}/{}", name, stem), report_.sequences, *times[i], poses[i], read_kitti_points(points.string()),
          boxes, record);
    }
    ++report_.sequences;
  }

  /// The boxes of a frame, with velocities over the ground from where they are in the frames around.
  static std::vector<KittiBox> boxes_at(const std::vector<KittiTracklet>& tracklets, int frame,
                                        const std::vector<std::optional<double>>& times,
                                        const std::vector<Pose>& poses) {
    std::vector<KittiBox> boxes;
    const Pose to_ego = kitti_lidar2ego();
    for (size_t t = 0; t < tracklets.size(); ++t) {
      const KittiTracklet& track = tracklets[t];
      const auto place = [&](int at) -> std::optional<Pose> {
        const int number = at - track.first_frame;
        if (number < 0 || number >= static_cast<int>(track.poses.size()) || at >= static_cast<int>(poses.size()) ||
            !times[static_cast<size_t>(at)])
          return {};
        return to_ego * track.poses[static_cast<size_t>(number)];
      };
      const std::optional<Pose> now = place(frame);
      if (!now) continue;
      KittiBox made{track.label, {}};
      Box3d& box = made.box;
      const Vec3 at = now->translation();
      box = {
          .x = at.x, .y = at.y, .z = at.z + track.height / 2, .l = track.length, .w = track.width, .h = track.height};
      box.yaw = now->yaw();
      box.track = static_cast<int64_t>(t);
      const int before = place(frame - 1) ? frame - 1 : frame, after = place(frame + 1) ? frame + 1 : frame;
      const double seconds = *times[static_cast<size_t>(after)] - *times[static_cast<size_t>(before)];
      box.has_velocity = seconds > 0 && seconds < kLongestPause;
      if (box.has_velocity) {
        const auto in_world = [&](int i) { return poses[static_cast<size_t>(i)].apply(place(i)->translation()); };
        const Vec3 velocity =
            poses[static_cast<size_t>(frame)].inverse().rotate((in_world(after) - in_world(before)) * (1 / seconds));
        box.vx = velocity.x;
        box.vy = velocity.y;
      }
      boxes.push_back(std::move(made));
    }
    return boxes;
  }

  static std::string picture_path(const fs::path& folder, const std::string& stem) {
    for (const char* extension : {".png", ".jpg", ".jpeg"})
      if (const fs::path path = folder / (stem + extension); fs::is_regular_file(path)) return path.string();
    fail("{}: holds no {}.png or .jpg", folder.string(), stem);
  }

  void add_picture(const Camera& camera, const std::string& name, const std::string& path, records::Sample* record) {
    pictures_.store(camera, name, name, path, path, record->add_cameras());
  }

  static Tensor only_seen(const Tensor& points, const Camera& camera) {
    const CameraProjector projector(camera);
    std::vector<float> kept;
    const float* p = points.data<const float>();
    for (int64_t i = 0; i < points.size(0); ++i, p += 4)
      if (projector.project({p[0], p[1], p[2]})) kept.insert(kept.end(), p, p + 4);
    Tensor out = empty({static_cast<int64_t>(kept.size() / 4), 4});
    std::copy(kept.begin(), kept.end(), out.data<float>());
    return out;
  }

  void put(const std::string& key, int64_t sequence, double time, const Pose& pose, const Tensor& points,
           const std::optional<std::vector<KittiBox>>& boxes, records::Sample& record) {
    record.set_sequence(sequence);
    record.set_timestamp(time);
    record.set_key(key);
    store_pose(pose, record.mutable_ego_pose());
    Labels labels;
    labels.has_boxes = boxes.has_value();
    without_boxes_ += !boxes;
    for (const KittiBox& made : boxes ? *boxes : std::vector<KittiBox>()) {
      const char* ours = class_of_kitti(made.label);
      if (ours == nullptr) {
        ++report_.left_out[printable(made.label)];
        continue;
      }
      Box3d box = made.box;
      const auto at = std::find(schema_.dynamic_classes.begin(), schema_.dynamic_classes.end(), ours);
      box.class_id = static_cast<int>(at - schema_.dynamic_classes.begin());
      box.num_lidar_points = static_cast<int>(count_inside(box, points));
      labels.boxes.push_back(box);
      ++report_.boxes;
    }
    store_labels(labels, schema_, record.mutable_labels());
    store_points(points, {.quantise_points = false}, record.mutable_points());
    store_lidar(kitti_lidar2ego().translation(), record.mutable_points());
    out_.put(key, record.SerializeAsString());
    ++report_.frames;
  }

  const ImportKittiOptions& options_;
  DatasetFolder& out_;
  ImportKittiReport& report_;
  LabelSchema schema_;
  PictureReader pictures_;
  int64_t without_points_ = 0, without_boxes_ = 0;
};

}  // namespace

ImportKittiReport import_kitti(const std::string& folder, const ImportKittiOptions& options) {
  if (options.folders.empty()) throw UsageError("import: no folder is named");
  const std::set<int> cameras(options.cameras.begin(), options.cameras.end());
  if (cameras.size() != options.cameras.size() || (!cameras.empty() && (*cameras.begin() < 0 || *cameras.rbegin() > 3)))
    throw UsageError("cameras: expected numbers from 0 to 3, each once");
  ImportKittiReport report;
  DatasetFolder out(folder);
  KittiImport importer(options, out, report);
  for (const std::string& source : options.folders) importer.add(source);
  check(out.size() > 0, "import: no frame has a LiDAR file");
  importer.add_remarks();
  out.finish();
  return report;
}

}  // namespace bevgrad
