// The pillar encoder: mmdetection3d's PillarFeatureNet (Lang et al., "PointPillars", 2019), one feature a pillar.
#pragma once
#include <cstdint>

#include "models/blocks.h"
#include "models/lidar/pillars.h"
#include "nn/linear.h"
#include "nn/sequential.h"
#include "tensor/random.h"

namespace bevgrad {

/// relu(norm(linear(features of a point))), maximum over a pillar's slots. As in mmdetection3d a pillar's empty slots
/// hold a zero input: they count in the norm's statistics and take part in the maximum. Here they are one row that
/// stands for all of them. Dynamic pillars (Zhou et al., "End-to-end multi-view fusion", 2019) have no slots: the
/// points alone count. Parameters: `pfn_layers.0.linear.weight` [out,10], `pfn_layers.0.norm`.
class PillarFeatureNet : public Module {
 public:
  PillarFeatureNet(const LidarOptions& options, Generator& generator);
  /// -> [pillars,vfe_channels]
  Tensor forward(const Pillars& pillars);

 private:
  struct PfnLayer : Module {
    PfnLayer(int64_t in_features, int64_t out_features);
    Linear linear;
    BatchNorm norm;
  };

  bool dynamic_;
  int64_t slots_;
  ModuleList<PfnLayer> pfn_layers_;
};

}  // namespace bevgrad
