#include "models/camera/generalized_lss_fpn.h"

#include "autograd/functions/interpolate.h"
#include "autograd/functions/shape.h"
#include "nn/init.h"
#include "nn/recomputable.h"

namespace bevgrad {

GeneralizedLssFpn::GeneralizedLssFpn(const std::vector<int64_t>& in_channels, int64_t out_channels,
                                     Generator& generator) {
  check(in_channels.size() >= 2, "GeneralizedLSSFPN: {} inputs, expected at least 2", in_channels.size());
  for (size_t i = 0; i + 1 < in_channels.size(); ++i) {
    const int64_t above = i + 2 == in_channels.size() ? in_channels[i + 1] : out_channels;
    lateral_convs_.emplace(in_channels[i] + above, out_channels, ConvSpec{.kernel = 1});
    fpn_convs_.emplace(out_channels, out_channels, conv3x3());
  }
  register_module("lateral_convs", lateral_convs_);
  register_module("fpn_convs", fpn_convs_);
  init::reset_parameters(*this, generator);
}

Tensor GeneralizedLssFpn::forward(const std::vector<Tensor>& inputs) {
  return module_call(*this, [&] {
    check(inputs.size() == lateral_convs_.size() + 1, "GeneralizedLSSFPN: {} inputs came, expected {}", inputs.size(),
          lateral_convs_.size() + 1);
    Tensor y = inputs.back();
    for (size_t i = lateral_convs_.size(); i-- > 0;) {
      const auto level = [this, i](const std::vector<Tensor>& in) {
        const Tensor above = interpolate_bilinear(in[1], in[0].size(2), in[0].size(3));
        return fpn_convs_[i].forward(lateral_convs_[i].forward(cat({in[0], above}, 1), true));
      };
      y = recomputable(fpn_convs_[i], {inputs[i], y}, level, {&lateral_convs_[i], &fpn_convs_[i]});
    }
    return y;
  });
}

}  // namespace bevgrad
