#include "tasks/depth/depth.h"

#include <algorithm>
#include <optional>

#include "autograd/batch_sync.h"
#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "drawing/bev_view.h"
#include "drawing/palette.h"
#include "nn/common_losses.h"
#include "tasks/depth/bins.h"
#include "tasks/depth/depth_error.h"
#include "tasks/depth/depth_maps.h"

namespace bevgrad {
namespace {

/// A pixel of a camera's map, where its expected distance puts it.
std::vector<Vec3> lifted_pixels(const DepthGroup& group, int64_t n, const std::vector<Camera>& cameras,
                                const DepthBins& bins) {
  std::vector<Vec3> points;
  for (int64_t c = 0; c < group.logits.size(1); ++c) {
    const Camera& camera = cameras[static_cast<size_t>(group.first_camera + c)];
    const CameraProjector projector(camera);
    const Raster<float> depth = expected_depth(group, n, c, bins);
    for (int64_t v = 0; v < depth.rows; ++v) {
      for (int64_t u = 0; u < depth.columns; ++u) {
        const auto place = [](int64_t pixel, int image, int64_t map) {
          return (static_cast<double>(pixel) + 0.5) * image / static_cast<double>(map) - 0.5;
        };
        const std::optional<Ray> ray =
            projector.unproject({place(u, camera.width, depth.columns), place(v, camera.height, depth.rows)});
        const double distance = depth.at(0, v, u);
        if (ray)
          points.push_back({ray->origin.x + distance * ray->direction.x, ray->origin.y + distance * ray->direction.y,
                            ray->origin.z + distance * ray->direction.z});
      }
    }
  }
  return points;
}

class Depth final : public Task {
 public:
  explicit Depth(const config::Config& proto)
      : weight_(proto.tasks().depth().weight()),
        bins_(depth_bins(proto.network())),
        z_min_(proto.grid().pc_range(2)),
        z_max_(proto.grid().pc_range(5)) {}

  double weight() const override { return weight_; }

  /// Over the pixels of all groups together.
  std::vector<LossTerm> losses(const NetworkOutput& output, const Batch& batch) const override {
    Tensor sum;
    double count = 0;
    for (const DepthGroup& group : depth_groups(output, bins_)) {
      const Tensor targets = depth_targets(batch, group, bins_);
      const int64_t* bins = targets.data<const int64_t>();
      count += static_cast<double>(std::count_if(bins, bins + targets.numel(), [](int64_t bin) { return bin >= 0; }));
      const Shape& sizes = group.logits.sizes();
      const Tensor logits = reshape(group.logits, {sizes[0] * sizes[1], sizes[2], sizes[3], sizes[4]});
      const Tensor loss = cross_entropy(logits, ops::to(targets, logits.device()), {.reduction = Reduction::Sum});
      sum = sum.defined() ? add(sum, loss) : loss;
    }
    if (batch_sync() && batch_sync()->losses) batch_sync()->sum({&count, 1});
    if (!sum.defined()) return {};
    return {{"bins", 1.0, mul(sum, 1 / std::max(count, 1.0))}};
  }

  std::unique_ptr<TaskMetric> make_metric() const override { return std::make_unique<DepthError>(bins_); }

  void add_to_picture(SamplePicture& picture, const NetworkOutput& output, const Batch& batch,
                      int64_t n) const override {
    std::vector<Vec3> points;
    for (const DepthGroup& group : depth_groups(output, bins_))
      for (const Vec3& point : lifted_pixels(group, n, batch.cameras[static_cast<size_t>(n)], bins_))
        if (point.z >= z_min_ && point.z < z_max_) points.push_back(point);
    if (points.empty()) return;
    picture.panels.push_back({"Pixels by their depth", [points](BevView& view) {
                                for (const Vec3& p : points) {
                                  const double height = (p.z - kLowestPoint) / (kHighestPoint - kLowestPoint);
                                  view.point({p.x, p.y}, heat_color(height), 1);
                                }
                              }});
  }

 private:
  double weight_;
  DepthBins bins_;
  double z_min_, z_max_;
};

}  // namespace

TaskKind depth_task() {
  return {.name = "depth",
          .module = "",
          .make = [](const configs::Document& document) -> std::unique_ptr<Task> {
            if (!document.proto.tasks().depth().on()) return nullptr;
            return std::make_unique<Depth>(document.proto);
          },
          .judge =
              [](const configs::Judge& judge, const config::Config& proto) {
                const config::DepthTask& depth = proto.tasks().depth();
                judge.not_negative("tasks.depth.weight", depth.weight());
                judge.require(!depth.on() || !proto.feature_cache().enabled(), "tasks.depth.on",
                              "features that come from the cache have no depth to learn, expected false with "
                              "feature_cache.enabled");
                judge.require(!depth.on() || proto.sensors().groups_size() > 0, "tasks.depth.on",
                              "there is no camera group");
              }};
}

}  // namespace bevgrad
