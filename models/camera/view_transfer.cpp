#include "models/camera/view_transfer.h"

#include "bev/bev_sampling.h"
#include "nn/init.h"

namespace bevgrad {

ViewTransfer::ViewTransfer(int64_t in_channels, int64_t out_channels, const BevPoints& points, Generator& generator)
    : conv_(in_channels * static_cast<int64_t>(points.heights.size()), out_channels,
            {.kernel = 3, .padding = 1, .bias = false}),
      bn_(out_channels),
      projections_(points) {
  register_module("conv", conv_);
  register_module("bn", bn_);
  init::reset_parameters_resnet(*this, generator);
}

Tensor ViewTransfer::sample(const std::vector<Tensor>& features, const std::vector<std::vector<Camera>>& cameras) {
  const auto batch = static_cast<int64_t>(cameras.size());
  check(batch > 0, "view_transfer: there is no sample");
  std::vector<BevSamplingGroup> groups;
  for (const Tensor& feature : features) {
    check(feature.dim() == 4 && feature.size(0) % batch == 0,
          "view_transfer: a feature map {} does not hold the same number of cameras for {} samples",
          to_string(feature.sizes()), batch);
    groups.push_back({feature.size(0) / batch, feature.size(2), feature.size(3)});
  }
  std::vector<std::shared_ptr<const BevSampling>> samplings;
  for (const std::vector<Camera>& rig : cameras) samplings.push_back(projections_.find(groups, rig));
  return bev_sample(features, samplings);
}

Tensor ViewTransfer::forward(const std::vector<Tensor>& features, const std::vector<std::vector<Camera>>& cameras) {
  const ModuleScope scope(*this);
  return tapped(*this, run(conv_, bn_, sample(features, cameras)));
}

}  // namespace bevgrad
