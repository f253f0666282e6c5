// A rig as a key: what a table of where cameras look depends on, and a cache of such tables.
#pragma once
#include <functional>
#include <memory>
#include <vector>

#include "base/recent.h"
#include "bev/bev_sampling.h"
#include "geometry/camera.h"

namespace bevgrad {

/// Cameras in the groups' order, at the images' size, and the sizes of the groups' feature maps.
struct Rig {
  std::vector<BevSamplingGroup> groups;
  std::vector<Camera> cameras;
  bool operator==(const Rig&) const = default;
};

struct RigHash {
  size_t operator()(const Rig& rig) const;
};

/// A camera with its place among the groups' maps, and how many image pixels a pixel of its map spans: image pixels
/// become feature pixels by u_f = (u + 0.5) / stride - 0.5.
struct PlacedCamera {
  CameraProjector projector;
  int32_t group = 0, index = 0;  ///< index: within the group
  double stride_u = 1, stride_v = 1;
};

/// Throws Error where the number of cameras is not that of the groups, or a calibration cannot be, naming the camera's
/// number.
std::vector<PlacedCamera> placed_cameras(const std::vector<BevSamplingGroup>& groups,
                                         const std::vector<Camera>& cameras);

/// The sizes of feature maps [N * cameras, C, h, w], one a group, of `batch` samples. Throws Error where they do not
/// hold the same number of cameras a sample.
std::vector<BevSamplingGroup> groups_of(const std::vector<Tensor>& features, int64_t batch);

/// Tables of the rigs that were seen last: a rig's calibration rarely changes, and making a table costs more than using
/// it. Safe to share between threads.
template <class Table>
class RigCache {
 public:
  using Make = std::function<std::shared_ptr<const Table>(const Rig& rig)>;
  RigCache(Make make, size_t capacity) : make_(std::move(make)), tables_(capacity) {}

  std::shared_ptr<const Table> find(const std::vector<BevSamplingGroup>& groups, const std::vector<Camera>& cameras) {
    const Rig rig{groups, cameras};
    if (auto found = tables_.find(rig)) return *found;
    return tables_.put(rig, make_(rig));
  }
  /// One for each sample of a batch.
  std::vector<std::shared_ptr<const Table>> find_all(const std::vector<Tensor>& features,
                                                     const std::vector<std::vector<Camera>>& cameras) {
    const std::vector<BevSamplingGroup> groups = groups_of(features, static_cast<int64_t>(cameras.size()));
    std::vector<std::shared_ptr<const Table>> tables;
    for (const std::vector<Camera>& rig : cameras) tables.push_back(find(groups, rig));
    return tables;
  }

 private:
  Make make_;
  Recent<Rig, std::shared_ptr<const Table>, RigHash> tables_;
};

}  // namespace bevgrad
