#include "models/camera/lift_splat.h"

#include "autograd/functions/shape.h"
#include "autograd/functions/softmax.h"
#include "nn/init.h"

namespace bevgrad {
namespace {

// Tables are large; with augmented calibrations every sample has its own.
constexpr size_t kKeptRigs = 8;

}  // namespace

LiftSplat::LiftSplat(int64_t in_channels, int64_t out_channels, const BevGrid& grid, const LiftSplatOptions& options,
                     Generator& generator)
    : options_(options),
      depthnet_(in_channels, options.bins.count + options.channels, {.kernel = 1}),
      conv_(options.channels, out_channels, {.kernel = 3, .padding = 1, .bias = false}),
      bn_(out_channels),
      splattings_(
          [grid, bins = options.bins](const Rig& rig) {
            return std::make_shared<const LiftSplatting>(lift_table(grid, bins, rig.groups, rig.cameras));
          },
          kKeptRigs) {
  register_module("depthnet", depthnet_);
  register_module("conv", conv_);
  register_module("bn", bn_);
  init::reset_parameters_resnet(*this, generator);
}

ViewTransformOutput LiftSplat::forward(const std::vector<Tensor>& features,
                                       const std::vector<std::vector<Camera>>& cameras) {
  return module_call(*this, [&] {
    const auto splattings = splattings_.find_all(features, cameras);
    const auto batch = static_cast<int64_t>(cameras.size());
    const int64_t bins = options_.bins.count;
    std::vector<Tensor> depths, contexts;
    ViewTransformOutput output;
    for (size_t g = 0; g < features.size(); ++g) {
      const Tensor y = depthnet_.forward(to(features[g], DType::Float32));
      const Tensor logits = narrow(y, 1, 0, bins);
      depths.push_back(softmax(logits, 1));
      contexts.push_back(narrow(y, 1, bins, options_.channels));
      output.maps.emplace_back(fmt::format("{}{}", kDepthLogits, g),
                               reshape(logits, {batch, y.size(0) / batch, bins, y.size(2), y.size(3)}));
    }
    output.bev = conv_bn_relu(conv_, bn_, lift_splat(depths, contexts, splattings));
    return output;
  });
}

}  // namespace bevgrad
