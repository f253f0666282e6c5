// Options of data/: cameras, classes, lists, and the generator's rig.
#include <cmath>
#include <filesystem>
#include <numbers>

#include "base/error.h"
#include "tasks/attributes/options.h"
#include "tasks/occupancy/options.h"
#include "train/options/from_config.h"

namespace bevgrad::configs {
namespace {

constexpr double kRadians = std::numbers::pi / 180;

template <class Names>
std::vector<std::string> names(const Names& from) {
  return {from.begin(), from.end()};
}

/// Whether anything takes the LiDAR's points: the network, or a loss.
bool needs_points(const config::Tasks& tasks) {
  return tasks.enable_lidar() || tasks.depth().on();
}

std::vector<std::string> under_root(const config::Config& proto,
                                    const google::protobuf::RepeatedPtrField<std::string>& lists) {
  std::vector<std::string> paths;
  for (const std::string& list : lists) paths.push_back((std::filesystem::path(proto.data().root()) / list).string());
  return paths;
}

/// Where the image's edge lies for a focal length of 1: tan of half the field of view, or the distorted angle.
double unit_radius(const config::Camera& camera) {
  const double half = camera.fov() * kRadians / 2;
  if (camera.model() != config::Camera::fisheye) return std::tan(half);
  double radius = 1, power = 1;
  for (const double k : camera.distortion()) {
    power *= half * half;
    radius += k * power;
  }
  return half * radius;
}

}  // namespace

LabelSchema label_schema(const config::Config& proto) {
  const auto& range = proto.grid().pc_range();
  LabelSchema schema;
  schema.grid = {.x_min = range[0],
                 .y_min = range[1],
                 .z_min = range[2],
                 .x_max = range[3],
                 .y_max = range[4],
                 .z_max = range[5],
                 .cell = proto.grid().bev_cell() / 4};
  const config::StaticHead& head = proto.network().static_head();
  schema.lane_classes = names(head.lane_classes());
  schema.road_classes = names(head.road_classes());
  schema.instance_classes = names(head.instance_classes());
  schema.dynamic_classes = names(proto.network().dynamic_head().classes());
  if (proto.tasks().attribute_task()) {
    schema.box_attributes = box_attributes(proto).kinds;
    schema.lane_attributes = lane_attributes(proto).kinds;
  }
  if (proto.tasks().occupancy_task()) {
    schema.voxel_classes = names(proto.tasks().occupancy().classes());
    schema.voxels = voxel_grid(proto);
  }
  return schema;
}

DatasetOptions dataset_options(const config::Config& proto, bool training) {
  DatasetOptions options;
  for (const config::CameraGroup& group : proto.sensors().groups()) {
    CameraGroupOptions& added = options.groups.emplace_back();
    added.name = group.name();
    added.height = group.height();
    added.width = group.width();
    for (const config::Camera& camera : group.cameras()) {
      added.cameras.push_back(camera.name());
      added.ego_masks.push_back(resized(rig_camera(group, camera), group.width(), group.height()).ego_mask);
    }
  }
  options.labels = label_schema(proto);
  options.load_points = needs_points(proto.tasks());
  options.max_gap = proto.data().max_gap();
  options.ignore_never_seen = training && proto.loss().ignore_never_seen();
  return options;
}

std::shared_ptr<const Augmentation> augmentation(const Document& document) {
  const config::Config& proto = document.proto;
  const config::PictureAugmentation& pictures = proto.augmentation().pictures();
  const config::GroundAugmentation& ground = proto.augmentation().ground();
  const AugmentationOptions options = {.zoom_min = pictures.zoom_min(),
                                       .zoom_max = pictures.zoom_max(),
                                       .picture_shift = pictures.shift(),
                                       .roll = pictures.roll() * kRadians,
                                       .brightness = pictures.brightness(),
                                       .tint = pictures.tint(),
                                       .contrast = pictures.contrast(),
                                       .saturation = pictures.saturation(),
                                       .blur = pictures.blur(),
                                       .noise = pictures.noise(),
                                       .jpeg_quality_min = pictures.jpeg_quality_min(),
                                       .drop_camera = pictures.drop_camera(),
                                       .camera_turn = pictures.extrinsic_angle() * kRadians,
                                       .camera_offset = pictures.extrinsic_offset(),
                                       .timestamp_jitter = proto.augmentation().timestamp_jitter(),
                                       .drop_lidar = proto.augmentation().drop_lidar(),
                                       .mirror = ground.mirror(),
                                       .scale_min = ground.scale_min(),
                                       .scale_max = ground.scale_max(),
                                       .yaw = ground.yaw() * kRadians,
                                       .shift_x = ground.shift_x(),
                                       .shift_y = ground.shift_y(),
                                       .shift_step = ground.shift_step()};
  if (options == AugmentationOptions()) return nullptr;
  if (proto.feature_cache().enabled() && options.changes_inputs())
    throw UsageError(fmt::format(
        "{}: field \"augmentation\": with feature_cache.enabled only augmentation.ground and drop_history are of use: "
        "features are of pictures, points and time stamps as they are",
        document.place("augmentation")));
  return std::make_shared<const Augmentation>(options, label_schema(proto), proto.seed());
}

std::vector<ListGroup> train_lists(const config::Config& proto,
                                   const std::function<bool(const config::ListGroup&)>& takes) {
  std::vector<ListGroup> groups;
  for (const config::ListGroup& group : proto.data().train()) {
    if (takes(group)) groups.push_back({group.name(), under_root(proto, group.lists())});
  }
  return groups;
}

std::vector<ListGroup> val_lists(const config::Config& proto) {
  std::vector<ListGroup> groups;
  for (const config::ListGroup& group : proto.data().val())
    groups.push_back({group.name(), under_root(proto, group.lists())});
  return groups;
}

HistoryRule history_rule(const config::Config& proto, bool training) {
  const config::Temporal& temporal = proto.temporal();
  if (temporal.mode() == config::Temporal::sample_by_distance) return {};  // timestamps do not say what it finds
  return {.intervals = {temporal.intervals().begin(), temporal.intervals().end()},
          .match_tol = temporal.match_tol(),
          .max_capacity = temporal.max_capacity(),
          // Cached features are looked up wherever they lie.
          .chunk_frames = training && !proto.feature_cache().enabled() ? proto.data().chunk_frames() : 0};
}

std::string lmdb_list(const config::Config& proto) {
  return (std::filesystem::path(proto.data().root()) / proto.data().lmdb()).string();
}

Camera rig_camera(const config::CameraGroup& group, const config::Camera& camera) {
  Camera result;
  result.kind = camera.model() == config::Camera::fisheye    ? CameraKind::Fisheye
                : camera.model() == config::Camera::rational ? CameraKind::Rational
                                                             : CameraKind::Pinhole;
  result.width = camera.width() > 0 ? camera.width() : group.width();
  result.height = camera.height() > 0 ? camera.height() : group.height();
  result.fx = camera.fx() > 0 ? camera.fx() : result.width / 2.0 / unit_radius(camera);
  result.fy = camera.fy() > 0 ? camera.fy() : result.fx;
  result.cx = camera.cx() >= 0 ? camera.cx() : (result.width - 1) / 2.0;
  result.cy = camera.cy() >= 0 ? camera.cy() : (result.height - 1) / 2.0;
  for (size_t i = 0; i < static_cast<size_t>(camera.distortion_size()); ++i)
    (i < 5 ? result.distortion[i] : result.denominator[i - 5]) = camera.distortion(static_cast<int>(i));
  result.fov = result.is_fisheye() ? camera.fov() * kRadians : 0;
  result.sensor2ego = camera_mount({camera.x(), camera.y(), camera.z()}, camera.yaw() * kRadians,
                                   camera.pitch() * kRadians, camera.roll() * kRadians);
  for (const config::PixelPolygon& polygon : camera.ego_mask()) {
    std::vector<Vec2>& corners = result.ego_mask.emplace_back();
    for (int i = 0; i + 1 < polygon.corners_size(); i += 2)
      corners.push_back({polygon.corners(i), polygon.corners(i + 1)});
  }
  return result;
}

SceneOptions scene_options(const Document& document) {
  const config::Config& proto = document.proto;
  const config::Generator& generator = proto.generator();
  SceneOptions options;
  for (int g = 0; g < proto.sensors().groups_size(); ++g) {
    const config::CameraGroup& group = proto.sensors().groups(g);
    for (int c = 0; c < group.cameras_size(); ++c) {
      const Camera camera = rig_camera(group, group.cameras(c));
      try {
        validate(camera);
      } catch (const std::invalid_argument& error) {
        const std::string field = fmt::format("sensors.groups[{}].cameras[{}]", g, c);
        throw UsageError(fmt::format("{}: field \"{}\": {}", document.place(field), field, error.what()));
      }
      options.cameras.push_back({group.cameras(c).name(), camera});
    }
  }
  options.labels = label_schema(proto);
  options.has_lidar = needs_points(proto.tasks());
  options.lidar.beams = generator.lidar_beams();
  options.lidar.points = generator.lidar_points();
  options.drive.frames = generator.frames();
  options.drive.frame_rate = generator.frame_rate();
  options.drive.timestamp_jitter = generator.timestamp_jitter();
  options.drive.drop_rate = generator.drop_rate();
  options.drive.pose_noise = generator.pose_noise();
  options.drive.yaw_noise = generator.yaw_noise();
  options.night = generator.night();
  options.parking = generator.parking();
  options.occluders = generator.occluders();
  options.image_noise = generator.image_noise();
  options.rain = generator.rain();
  options.dirt = generator.dirt();
  options.glare = generator.glare();
  options.window.assign(proto.temporal().intervals().begin(), proto.temporal().intervals().end());
  options.window_tolerance = proto.temporal().match_tol();
  return options;
}

}  // namespace bevgrad::configs
