#include "models/camera/fpn.h"

#include <cmath>

#include "autograd/functions/interpolate.h"
#include "nn/init.h"

namespace bevgrad {

Fpn::Fpn(const std::vector<int64_t>& in_channels, int64_t out_channels, Generator& generator) {
  for (int64_t channels : in_channels) lateral_convs_.emplace(channels, out_channels, ConvSpec{.kernel = 1});
  fpn_convs_.emplace(out_channels, out_channels, conv3x3());
  register_module("lateral_convs", lateral_convs_);
  register_module("fpn_convs", fpn_convs_);
  // Glorot's uniform, as mmdetection's FPN.
  for (ModuleList<ConvModule>* list : {&lateral_convs_, &fpn_convs_}) {
    for (const auto& module : *list) {
      const Tensor& weight = module->conv.weight;
      const double fans = static_cast<double>(init::fan(weight, init::Fan::In) + init::fan(weight, init::Fan::Out));
      const double bound = std::sqrt(6.0 / fans);
      init::uniform(weight, -bound, bound, generator);
    }
  }
}

Tensor Fpn::forward(const std::vector<Tensor>& inputs) {
  return module_call(*this, [&] {
    check(inputs.size() == lateral_convs_.size(), "fpn: {} inputs came, expected {}", inputs.size(),
          lateral_convs_.size());
    Tensor y;
    for (size_t i = inputs.size(); i-- > 0;) {
      const Tensor lateral = lateral_convs_[i].forward(inputs[i]);
      y = y.defined() ? upsample_add(y, lateral) : lateral;
    }
    return fpn_convs_[0].forward(y);
  });
}

}  // namespace bevgrad
