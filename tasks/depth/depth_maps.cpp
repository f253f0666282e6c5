#include "tasks/depth/depth_maps.h"

#include <cmath>
#include <limits>
#include <optional>

#include "autograd/functions/softmax.h"
#include "models/camera/lift_splat.h"
#include "tensor/ops.h"

namespace bevgrad {
namespace {

constexpr int64_t kNoBin = -100;

}  // namespace

std::vector<DepthGroup> depth_groups(const NetworkOutput& output, const DepthBins& bins) {
  std::vector<DepthGroup> groups;
  if (!output.has(kBevCamera)) return groups;
  int64_t first = 0;
  for (size_t g = 0; output.has(fmt::format("{}{}", kDepthLogits, g)); ++g) {
    const Tensor& logits = output.at(fmt::format("{}{}", kDepthLogits, g));
    check(logits.dim() == 5 && logits.size(2) == bins.count, "depth: the view transform gives {}, expected {} bins",
          describe(logits), bins.count);
    groups.push_back({logits, first});
    first += logits.size(1);
  }
  check(!groups.empty(), "depth: network.view_transform gives no depth maps, LiftSplat does");
  return groups;
}

Raster<float> measured_depth(const Tensor& points, const Camera& camera, int64_t height, int64_t width) {
  Raster<float> depth(1, height, width, std::numeric_limits<float>::quiet_NaN());
  const CameraProjector projector(camera);
  const Vec3 origin = camera.sensor2ego.translation();
  const Tensor dense = ops::contiguous(points);
  const float* p = dense.data<const float>();
  for (int64_t i = 0; i < dense.size(0); ++i, p += 4) {
    const std::optional<Pixel> pixel = projector.project({p[0], p[1], p[2]});
    if (!pixel) continue;
    const auto place = [](double value, int image, int64_t map) {
      return static_cast<int64_t>((value + 0.5) * static_cast<double>(map) / image);
    };
    float& nearest = depth.at(0, place(pixel->v, camera.height, height), place(pixel->u, camera.width, width));
    const double distance = std::hypot(p[0] - origin.x, p[1] - origin.y, p[2] - origin.z);
    if (!(nearest <= distance)) nearest = static_cast<float>(distance);
  }
  return depth;
}

Tensor depth_targets(const Batch& batch, const DepthGroup& group, const DepthBins& bins) {
  const Shape& sizes = group.logits.sizes();
  const int64_t cameras = sizes[1], pixels = sizes[3] * sizes[4];
  const Tensor targets = empty({sizes[0] * cameras, sizes[3], sizes[4]}, {DType::Int64});
  int64_t* out = targets.data<int64_t>();
#pragma omp parallel for schedule(static)
  for (int64_t image = 0; image < sizes[0] * cameras; ++image) {
    const auto n = static_cast<size_t>(image / cameras);
    const Camera& camera = batch.cameras[n][static_cast<size_t>(group.first_camera + image % cameras)];
    const Raster<float> depth = measured_depth(batch.points[n], camera, sizes[3], sizes[4]);
    for (int64_t i = 0; i < pixels; ++i) {
      const float distance = depth.values[static_cast<size_t>(i)];
      const int64_t bin = std::isnan(distance) ? -1 : bins.bin_of(distance);
      out[image * pixels + i] = bin < 0 ? kNoBin : bin;
    }
  }
  return targets;
}

Raster<float> expected_depth(const DepthGroup& group, int64_t n, int64_t camera, const DepthBins& bins) {
  const Tensor logits = ops::select(ops::select(group.logits, 0, n), 0, camera);
  std::vector<double> centres;
  for (int64_t b = 0; b < bins.count; ++b) centres.push_back(bins.centre(b));
  const Tensor share = softmax(ops::contiguous(ops::to(logits, DType::Float32)), 0);
  const Tensor mean = ops::sum(ops::mul(share, from_values(centres, {bins.count, 1, 1})), {0}, true);
  return float_raster(mean);
}

}  // namespace bevgrad
