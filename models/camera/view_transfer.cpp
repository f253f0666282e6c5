#include "models/camera/view_transfer.h"

#include "bev/bev_sampling.h"
#include "nn/init.h"
#include "nn/recomputable.h"

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
  return bev_sample(features, projections_.find_all(features, cameras));
}

ViewTransformOutput ViewTransfer::forward(const std::vector<Tensor>& features,
                                          const std::vector<std::vector<Camera>>& cameras) {
  return module_call(*this, [&] {
    return recomputable(*this, features,
                        [this, tables = projections_.find_all(features, cameras)](const std::vector<Tensor>& in) {
                          return conv_bn_relu(conv_, bn_, bev_sample(in, tables));
                        });
  });
}

}  // namespace bevgrad
