#include "tasks/static_map/static_head.h"

#include "autograd/branches.h"
#include "autograd/functions/interpolate.h"
#include "nn/init.h"
#include "nn/module_call.h"
#include "nn/recomputable.h"

namespace bevgrad {

StaticHead::Instance::Instance(int64_t channels, int64_t classes)
    : conv(channels, channels, {.kernel = 3, .padding = 1, .bias = false}),
      bn(channels),
      heatmap(channels, classes),
      box(channels, 6) {
  register_module("conv", conv);
  register_module("bn", bn);
  register_module("heatmap", heatmap);
  register_module("box", box);
}

Tensor StaticHead::Up::forward(const Tensor& x, bool only_convolved) {
  const ModuleScope scope(*this);
  return recomputable(*this, {x}, [this, only_convolved](const std::vector<Tensor>& in) {
    return ConvBnRelu::forward(interpolate_bilinear(in[0], 2 * in[0].size(2), 2 * in[0].size(3)), only_convolved);
  });
}

StaticHead::StaticHead(int64_t in_channels, const StaticHeadOptions& options, Generator& generator)
    : up1_(in_channels, options.up1_channels, conv3x3()),
      up2_(options.up1_channels, options.up2_channels, conv3x3()),
      lane_(options.up2_channels, options.lane_classes),
      road_(options.up2_channels, options.road_classes),
      instance_(options.up1_channels, options.instance_classes) {
  trunk_.emplace(in_channels, in_channels, 1, true);
  trunk_.emplace(in_channels, in_channels);
  register_module("trunk", trunk_);
  register_module("up1", up1_);
  register_module("up2", up2_);
  register_module("lane", lane_);
  register_module("road", road_);
  register_module("instance", instance_);
  init::reset_parameters_resnet(*this, generator);
  for (Conv2d* output : {&lane_, &road_, &instance_.heatmap, &instance_.box})
    init::normal(output->weight, 0, 0.01, generator);
  init::constant(lane_.bias, init::prior_bias(0.01));
  init::constant(road_.bias, init::prior_bias(0.01));
  init::constant(instance_.heatmap.bias, init::prior_bias(0.1));
}

NamedTensors StaticHead::Instance::forward(const Tensor& x) {
  return module_call(*this, [&] {
    const Tensor hidden = conv_bn_relu(conv, bn, x, {.relu = true, .only_convolved = true});
    return NamedTensors{{kInstanceHeatmap, heatmap.forward(hidden)}, {kInstanceBox, box.forward(hidden)}};
  });
}

NamedTensors StaticHead::forward(const Tensor& x) {
  return module_call(*this, [&] {
    const Tensor half = up1_.forward(trunk_.forward(x), false);
    NamedTensors maps, instances;
    run_branches({[&] {
                    const Tensor full = up2_.forward(half, true);
                    maps = {{kLaneLogits, lane_.forward(full)}, {kRoadLogits, road_.forward(full)}};
                  },
                  [&] { instances = instance_.forward(half); }});
    for (auto& map : instances) maps.push_back(std::move(map));
    return maps;
  });
}

}  // namespace bevgrad
