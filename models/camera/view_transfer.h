// From the cameras' feature maps to the bird's-eye view: every cell's pillar of points looks into the cameras.
#pragma once
#include <cstdint>
#include <vector>

#include "models/blocks.h"
#include "models/camera/bev_projection.h"
#include "models/network_parts.h"
#include "tensor/random.h"

namespace bevgrad {

/// Projects `points.heights.size()` points a cell into every camera, samples bilinearly where they are visible, takes
/// the mean over the cameras, puts the heights side by side (channel z * C + c) and mixes them: `conv` 3x3 without
/// bias, `bn`, ReLU.
class ViewTransfer : public ViewTransform {
 public:
  ViewTransfer(int64_t in_channels, int64_t out_channels, const BevPoints& points, Generator& generator);

  /// features: per group [N*n_g,C,h,w], sample-major; cameras [N][all] in the groups' order, at the images' size.
  /// -> [N,out_channels,rows,columns] float32.
  ViewTransformOutput forward(const std::vector<Tensor>& features,
                              const std::vector<std::vector<Camera>>& cameras) override;
  /// The sampled features alone, [N,heights*C,rows,columns].
  Tensor sample(const std::vector<Tensor>& features, const std::vector<std::vector<Camera>>& cameras);

 private:
  Conv2d conv_;
  BatchNorm bn_;
  BevProjectionCache projections_;
};

}  // namespace bevgrad
