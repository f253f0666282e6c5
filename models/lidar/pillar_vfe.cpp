#include "models/lidar/pillar_vfe.h"

#include "autograd/functions/pointwise.h"
#include "autograd/functions/shape.h"
#include "bev/segment_max.h"
#include "nn/init.h"
#include "nn/recomputable.h"

namespace bevgrad {

PillarFeatureNet::PfnLayer::PfnLayer(int64_t in_features, int64_t out_features)
    : linear(in_features, out_features, false), norm(out_features, kLidarNorm) {
  register_module("linear", linear);
  register_module("norm", norm);
}

PillarFeatureNet::PillarFeatureNet(const LidarOptions& options, Generator& generator)
    : dynamic_(options.dynamic), slots_(options.max_points) {
  pfn_layers_.emplace(Pillars::kFeatures, options.vfe_channels);
  register_module("pfn_layers", pfn_layers_);
  init::reset_parameters(*this, generator);
}

Tensor PillarFeatureNet::forward(const Pillars& pillars) {
  return module_call(*this, [&] {
    PfnLayer& layer = pfn_layers_[0];
    const int64_t points = pillars.features.size(0);
    if (pillars.size() == 0) return zeros({0, layer.linear.weight.size(0)}, {.device = device()});
    if (dynamic_) {
      const Tensor rows = layer.linear.forward(ops::to(pillars.features, device()));
      return segment_max(layer.norm.forward(rows, {.relu = true}), pillars.offsets);
    }
    const Tensor rows = ops::to(ops::cat({pillars.features, zeros({1, Pillars::kFeatures})}, 0), device());
    const NormFusion fusion{.relu = true, .last_row_count = pillars.size() * slots_ - points};
    return recomputable(*this, {rows},
                        [this, &layer, fusion, points, offsets = pillars.offsets](const std::vector<Tensor>& in) {
                          const Tensor y = layer.norm.forward(layer.linear.forward(in[0]), fusion);
                          const Tensor empty_slot = select(y, 0, points);
                          return segment_max(narrow(y, 0, 0, points), offsets, empty_slot, slots_);
                        });
  });
}

}  // namespace bevgrad
