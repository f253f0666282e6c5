#include "configs/validate.h"

#include <google/protobuf/message.h>

#include <algorithm>
#include <cmath>

#include "base/near_names.h"
#include "configs/judge.h"
#include "internal/schema_names.h"

namespace bevgrad::configs {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

/// Protobuf text may say nan and inf.
void judge_finite(const Judge& judge, const Message& message, const std::string& prefix) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int count = field->is_repeated() ? reflection.FieldSize(message, field) : 1;
    for (int i = 0; i < count; ++i) {
      const std::string path = prefix + written_name(*field) + (field->is_repeated() ? fmt::format("[{}]", i) : "");
      const auto judge_number = [&](double value) {
        judge.require(std::isfinite(value), path, "{} is not a finite number", value);
      };
      if (field->cpp_type() == FieldDescriptor::CPPTYPE_DOUBLE) {
        judge_number(field->is_repeated() ? reflection.GetRepeatedDouble(message, field, i)
                                          : reflection.GetDouble(message, field));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
        judge_number(field->is_repeated() ? reflection.GetRepeatedFloat(message, field, i)
                                          : reflection.GetFloat(message, field));
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        judge_finite(judge,
                     field->is_repeated() ? reflection.GetRepeatedMessage(message, field, i)
                                          : reflection.GetMessage(message, field),
                     path + ".");
      }
    }
  }
}

void judge_grid(const Judge& judge, const config::Grid& grid) {
  const auto& range = grid.pc_range();
  judge.require(range.size() == 6, "grid.pc_range", "{} values, expected 6: x0, y0, z0, x1, y1, z1", range.size());
  judge.positive("grid.bev_cell", grid.bev_cell());
  for (int axis = 0; axis < 3; ++axis) {
    judge.require(range[axis] < range[axis + 3], fmt::format("grid.pc_range[{}]", axis + 3),
                  "{} is not above {}, expected x0, y0, z0, x1, y1, z1", range[axis + 3], range[axis]);
  }
  for (const int axis : {0, 1}) {
    const double cells = (range[axis + 3] - range[axis]) / grid.bev_cell();
    judge.require(std::abs(cells - std::round(cells)) < 1e-6 * cells, "grid.bev_cell",
                  "{} m do not divide the range {} to {} into whole cells", grid.bev_cell(), range[axis],
                  range[axis + 3]);
    judge.require(cells > 1 && cells <= 1024, "grid.bev_cell", "{} m give {:.0f} cells, expected 2 to 1024",
                  grid.bev_cell(), cells);
    judge.require(std::llround(cells) % 2 == 0, "grid.bev_cell", "{} m give {:.0f} cells, expected an even number",
                  grid.bev_cell(), cells);
  }
}

/// Pixels from a picture's corner within which a mask's corner may lie.
constexpr double kFarthestPixel = 1e5;

void judge_camera(const Judge& judge, const config::Camera& camera, const std::string& at) {
  judge.require(!camera.name().empty(), at + ".name", "the camera has no name");
  const bool is_fisheye = camera.model() == config::Camera::fisheye;
  const double widest = is_fisheye ? 360 : 180;
  judge.require(camera.fov() > 0 && camera.fov() < widest, at + ".fov",
                "{} is impossible, expected above 0 and below {} degrees", camera.fov(), widest);
  judge.count(at + ".width", camera.width(), 0, 16384);
  judge.count(at + ".height", camera.height(), 0, 16384);
  judge.require((camera.width() == 0) == (camera.height() == 0), at + (camera.width() == 0 ? ".height" : ".width"),
                "width and height are given together or not at all");
  judge.not_negative(at + ".fx", camera.fx());
  judge.not_negative(at + ".fy", camera.fy());
  const int most = is_fisheye ? 4 : camera.model() == config::Camera::rational ? 8 : 5;
  judge.require(camera.distortion_size() <= most, at + ".distortion", "{} values, expected at most {}",
                camera.distortion_size(), most);
  for (int p = 0; p < camera.ego_mask_size(); ++p) {
    const auto& corners = camera.ego_mask(p).corners();
    const std::string polygon_at = fmt::format("{}.ego_mask[{}].corners", at, p);
    judge.require(corners.size() >= 6 && corners.size() % 2 == 0, polygon_at,
                  "{} values, expected u and v of three corners or more", corners.size());
    for (int i = 0; i < corners.size(); ++i)
      judge.require(std::abs(corners[i]) <= kFarthestPixel, fmt::format("{}[{}]", polygon_at, i),
                    "{} is no place in a picture", corners[i]);
  }
}

void judge_sensors(const Judge& judge, const config::Sensors& sensors, const config::Network& network, bool has_lidar) {
  judge.require(sensors.groups_size() > 0 || has_lidar, "sensors.groups",
                "there is no camera group, and tasks.enable_lidar is off");
  std::set<std::string> group_names, camera_names;
  for (int g = 0; g < sensors.groups_size(); ++g) {
    const config::CameraGroup& group = sensors.groups(g);
    const std::string at = fmt::format("sensors.groups[{}]", g);
    judge.require(!group.name().empty(), at + ".name", "the group has no name");
    judge.require(group_names.insert(group.name()).second, at + ".name", "\"{}\" is there twice", group.name());
    judge.require(group.cameras_size() > 0, at + ".cameras", "group \"{}\" has no camera", group.name());
    judge.count(at + ".cameras", group.cameras_size(), 1, 64);
    for (int i = 0; i < group.taps_size(); ++i) judge.count(fmt::format("{}.taps[{}]", at, i), group.taps(i), 1, 4);
    judge.increasing(at + ".taps", group.taps());
    for (int i = 1; i < group.taps_size(); ++i) {
      judge.require(group.taps(i) == group.taps(i - 1) + 1, fmt::format("{}.taps[{}]", at, i),
                    "{} leaves a gap behind {}, expected {}", group.taps(i), group.taps(i - 1), group.taps(i - 1) + 1);
    }
    const int coarsest = (network.stem_max_pool() ? 4 : 2) << (group.taps(group.taps_size() - 1) - 1);
    for (const auto& [name, size] : {std::pair{".height", group.height()}, std::pair{".width", group.width()}}) {
      judge.count(at + name, size, 32, 8192);
      judge.require(size % coarsest == 0, at + name, "{} does not divide by {}, the stride of the coarsest tap", size,
                    coarsest);
    }
    for (int c = 0; c < group.cameras_size(); ++c) {
      const std::string camera_at = fmt::format("{}.cameras[{}]", at, c);
      judge_camera(judge, group.cameras(c), camera_at);
      judge.require(camera_names.insert(group.cameras(c).name()).second, camera_at + ".name", "\"{}\" is there twice",
                    group.cameras(c).name());
    }
  }
  for (const auto& [name, size] :
       {std::pair{"sensors.mean", sensors.mean_size()}, std::pair{"sensors.std", sensors.std_size()}})
    judge.require(size == 1 || size == 3, name, "{} values, expected 1 or 3", size);
  for (int i = 0; i < sensors.std_size(); ++i) judge.positive(fmt::format("sensors.std[{}]", i), sensors.std(i));
}

void judge_lidar(const Judge& judge, const config::Lidar& lidar) {
  judge.count("network.lidar.max_points", lidar.max_points(), 1, 4096);
  judge.count("network.lidar.max_pillars", lidar.max_pillars(), 1, 1 << 22);
  judge.count("network.lidar.vfe_channels", lidar.vfe_channels(), 1, 4096);
  judge.count("network.lidar.neck_channels", lidar.neck_channels(), 1, 4096);
  judge.require(lidar.layers_size() == 3, "network.lidar.layers", "{} values, expected 3", lidar.layers_size());
  judge.require(lidar.channels_size() == 3, "network.lidar.channels", "{} values, expected 3", lidar.channels_size());
  for (int i = 0; i < 3; ++i) {
    judge.count(fmt::format("network.lidar.layers[{}]", i), lidar.layers(i), 0, 64);
    judge.count(fmt::format("network.lidar.channels[{}]", i), lidar.channels(i), 1, 4096);
  }
}

void judge_network(const Judge& judge, const config::Network& network) {
  judge.count("network.backbone_width", network.backbone_width(), 1, 1024);
  judge.require(network.backbone_blocks_size() == 4, "network.backbone_blocks", "{} values, expected 4",
                network.backbone_blocks_size());
  for (int i = 0; i < 4; ++i)
    judge.count(fmt::format("network.backbone_blocks[{}]", i), network.backbone_blocks(i), 1, 64);
  judge.count("network.neck_channels", network.neck_channels(), 1, 4096);
  judge.count("network.bev_channels", network.bev_channels(), 1, 4096);
  judge.count("network.view_heights", network.view_heights_size(), 1, 64);
  judge_lidar(judge, network.lidar());
}

void judge_temporal(const Judge& judge, const config::Temporal& temporal) {
  judge.count("temporal.intervals", temporal.intervals_size(), 1, 16);
  for (int i = 0; i < temporal.intervals_size(); ++i)
    judge.positive(fmt::format("temporal.intervals[{}]", i), temporal.intervals(i));
  judge.increasing("temporal.intervals", temporal.intervals());
  judge.not_negative("temporal.match_tol", temporal.match_tol());
  judge.require(temporal.match_tol() < temporal.intervals(0), "temporal.match_tol",
                "{} s reach from the first interval ({} s) to the current frame", temporal.match_tol(),
                temporal.intervals(0));
  judge.count("temporal.distances", temporal.distances_size(), 1, 16);
  for (int i = 0; i < temporal.distances_size(); ++i)
    judge.positive(fmt::format("temporal.distances[{}]", i), temporal.distances(i));
  judge.increasing("temporal.distances", temporal.distances());
  judge.positive("temporal.distance_tol", temporal.distance_tol());
  judge.require(temporal.distance_tol() < temporal.distances(0), "temporal.distance_tol",
                "{} m reach from the first distance ({} m) to the current frame", temporal.distance_tol(),
                temporal.distances(0));
  judge.count("temporal.max_capacity", temporal.max_capacity(), 1, 100000);
  judge.count("temporal.visualize_interval", temporal.visualize_interval(), 1, int64_t{1} << 40);
}

}  // namespace

void validate(const Document& document) {
  const Judge judge(document);
  const config::Config& proto = document.proto;
  judge_finite(judge, proto, "");
  judge_grid(judge, proto.grid());
  judge_network(judge, proto.network());
  judge_sensors(judge, proto.sensors(), proto.network(), proto.tasks().enable_lidar());
  judge_temporal(judge, proto.temporal());
  judge_run(judge, proto);
  if (proto.data().frame_rate() > 0) validate_history_reach(document, 1.0 / proto.data().frame_rate());
}

void validate_history_reach(const Document& document, double period) {
  const config::Temporal& temporal = document.proto.temporal();
  if (!document.proto.tasks().enable_static_temporal() || period <= 0) return;
  if (temporal.mode() == config::Temporal::sample_by_distance) return;  // how far frames reach, the way says
  const double reach = temporal.max_capacity() * period;
  const double longest = temporal.intervals(temporal.intervals_size() - 1);
  Judge(document).require(
      reach + temporal.match_tol() >= longest, "temporal.max_capacity",
      "{} frames, {:.3g} s apart, reach back {:.3g} s and never to the longest interval, {} s: expected {} or more",
      temporal.max_capacity(), period, reach, longest, std::ceil(longest / period - 1e-9));
}

}  // namespace bevgrad::configs
