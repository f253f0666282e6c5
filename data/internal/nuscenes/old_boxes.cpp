#include "internal/nuscenes/old_boxes.h"

#include <cmath>
#include <cstring>
#include <numbers>

#include "internal/nuscenes/class_names.h"
#include "internal/points_in_boxes.h"

namespace bevgrad {

namespace {

/// Points and frames that are looked at before the two readings are compared.
constexpr int64_t kEnoughPoints = 2000;
constexpr int kMostFrames = 40;
/// Fewer points, or errors that differ by less of them, decide nothing.
constexpr int64_t kPointsThatTell = 20;
constexpr double kClearDifference = 0.1;

BoxForm by_size(const std::vector<InfoFrame>& frames, const std::function<bool(const InfoBox&)>& counts, bool is_long) {
  int64_t longer = 0, wider = 0;
  for (const InfoFrame& frame : frames)
    for (const InfoBox& box : frame.boxes)
      if (counts(box) && box.box.l != box.box.w) ++(box.box.l > box.box.w ? longer : wider);
  if (longer == wider) return BoxForm::Unknown;
  return (longer > wider) == is_long ? BoxForm::Today : BoxForm::Old;
}

BoxForm by_points(const std::vector<InfoFrame>& frames, const std::function<Tensor(const InfoFrame&)>& points_of) {
  int64_t counted = 0, today = 0, old = 0;
  int looked_at = 0;
  for (const InfoFrame& frame : frames) {
    if (counted >= kEnoughPoints || looked_at >= kMostFrames) break;
    Tensor points;
    for (const InfoBox& box : frame.boxes) {
      if (box.box.num_lidar_points <= 0) continue;
      if (!points.defined()) points = points_of(frame);
      counted += box.box.num_lidar_points;
      today += std::abs(count_inside(box.box, points) - box.box.num_lidar_points);
      old += std::abs(count_inside(modernised(box.box, frame.lidar2ego), points) - box.box.num_lidar_points);
    }
    looked_at += points.defined();
  }
  if (counted < kPointsThatTell ||
      static_cast<double>(std::abs(today - old)) < kClearDifference * static_cast<double>(counted))
    return BoxForm::Unknown;
  return today < old ? BoxForm::Today : BoxForm::Old;
}

}  // namespace

Box3d modernised(const Box3d& box, const Pose& lidar2ego) {
  constexpr double kQuarter = std::numbers::pi / 2;
  Box3d out = box;
  std::swap(out.l, out.w);
  // The old yaw is -yaw - pi/2 in the LiDAR's frame.
  const Vec3 old = lidar2ego.inverse().rotate({std::cos(box.yaw), std::sin(box.yaw), 0});
  const double yaw = -std::atan2(old.y, old.x) - kQuarter;
  const Vec3 heading = lidar2ego.rotate({std::cos(yaw), std::sin(yaw), 0});
  out.yaw = std::atan2(heading.y, heading.x);
  return out;
}

BoxForm form_of_boxes(const std::vector<InfoFrame>& frames, const std::function<Tensor(const InfoFrame&)>& points_of) {
  BoxForm form = by_size(
      frames, [](const InfoBox& box) { return is_nuscenes_vehicle(box.label); }, true);
  if (form == BoxForm::Unknown) form = by_points(frames, points_of);
  const auto is_barrier = [](const InfoBox& box) {
    const char* ours = class_of_nuscenes(box.label);
    return ours != nullptr && std::strcmp(ours, "barrier") == 0;
  };
  return form == BoxForm::Unknown ? by_size(frames, is_barrier, false) : form;
}

void modernise_boxes(std::vector<InfoFrame>& frames) {
  for (InfoFrame& frame : frames)
    for (InfoBox& box : frame.boxes) box.box = modernised(box.box, frame.lidar2ego);
}

}  // namespace bevgrad
