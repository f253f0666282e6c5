// Map vectors in infos, as MapTRv2's converter writes them.
#include "base/error.h"
#include "internal/nuscenes/info_parts.h"

namespace bevgrad {

namespace {

struct KindName {
  const char* maptr;
  const char* ours;
};
// Centre lines are no marks and are left out.
constexpr KindName kMapKinds[] = {{"divider", "divider"}, {"ped_crossing", "crosswalk"}, {"boundary", "boundary"}};

/// Rows of two or three numbers, as an array or as a list of points.
std::vector<Vec3> points_of(const Value& line, const Pose& lidar2ego) {
  const std::vector<double> numbers = line.as_doubles();
  size_t rows = 0;
  if (line.is_tensor())
    rows = line.as_stored_tensor().sizes.size() == 2 ? static_cast<size_t>(line.as_stored_tensor().sizes[0]) : 0;
  else
    rows = line.size();
  const size_t stride = rows == 0 ? 0 : numbers.size() / rows;
  check(stride * rows == numbers.size() && (numbers.empty() || stride == 2 || stride == 3),
        "{}: {} numbers, expected points of 2 or 3", line.where(), numbers.size());
  std::vector<Vec3> points;
  for (size_t i = 0; i < rows; ++i) {
    const double* p = numbers.data() + i * stride;
    check(p[0] > -1e5 && p[0] < 1e5 && p[1] > -1e5 && p[1] < 1e5, "{}[{}]: expected metres around the vehicle",
          line.where(), i);
    points.push_back(lidar2ego.apply({p[0], p[1], 0}));
  }
  return points;
}

}  // namespace

const std::vector<std::string>& maptr_kinds() {
  static const std::vector<std::string> kinds = {"divider", "crosswalk", "boundary"};
  return kinds;
}

std::optional<VectorMap> info_map(const Value& frame, const Pose& lidar2ego) {
  const auto annotation = frame.find("annotation");
  if (!annotation || !annotation->is_mapping()) return std::nullopt;
  VectorMap map;
  bool is_maptr = false;
  for (const auto& [maptr, ours] : kMapKinds) {
    const auto lines = annotation->find(maptr);
    if (!lines || !lines->is_sequence()) continue;
    is_maptr = true;
    for (size_t i = 0; i < lines->size(); ++i) {
      std::vector<Vec3> points = points_of(lines->at(i), lidar2ego);
      const bool is_area = map_kind(ours).is_area;
      if (points.size() < (is_area ? 3 : 2)) continue;
      map.features.push_back({.kind = ours, .closed = is_area, .points = std::move(points), .has_height = false});
    }
  }
  return is_maptr ? std::optional(std::move(map)) : std::nullopt;
}

}  // namespace bevgrad
