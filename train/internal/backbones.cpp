#include "internal/backbones.h"

#include "export/stages.h"
#include "models/camera/convnext.h"
#include "models/camera/efficientnet_lite.h"
#include "models/camera/regnet.h"

namespace bevgrad {
namespace {

template <class List>
std::vector<int64_t> values_of(const List& list) {
  return {list.begin(), list.end()};
}

/// Those without a stem's max pool have no use for the switch, but strides are judged by it.
void judge_strides(const configs::Judge& judge, const config::Network& network) {
  judge.require(network.stem_max_pool(), "network.stem_max_pool",
                "the layers of {} have strides 4 to 32, expected true", network.backbone());
}

template <class List>
void judge_layers(const configs::Judge& judge, const std::string& field, const List& values, int64_t highest) {
  judge.require(values.size() == 4, field, "{} values, expected 4", values.size());
  for (int i = 0; i < 4; ++i) judge.count(fmt::format("{}[{}]", field, i), values[i], 1, highest);
}

std::unique_ptr<Backbone> make_regnet(const NetworkOptions&, const CameraGroupNetwork& group,
                                      const config::Network& network, Generator& generator) {
  const config::RegNet& regnet = network.regnet();
  return std::make_unique<RegNet>(RegNetOptions{.depths = values_of(regnet.depths()),
                                                .widths = values_of(regnet.widths()),
                                                .group_width = regnet.group_width(),
                                                .se_ratio = regnet.se_ratio(),
                                                .taps = group.taps},
                                  generator);
}

void judge_regnet(const configs::Judge& judge, const config::Config& proto) {
  const config::RegNet& regnet = proto.network().regnet();
  judge_strides(judge, proto.network());
  judge_layers(judge, "network.regnet.depths", regnet.depths(), 64);
  judge_layers(judge, "network.regnet.widths", regnet.widths(), 8192);
  judge.count("network.regnet.group_width", regnet.group_width(), 1, 1024);
  for (int i = 0; i < 4; ++i)
    judge.require(regnet.widths(i) % regnet.group_width() == 0, fmt::format("network.regnet.widths[{}]", i),
                  "{} is no multiple of group_width, {}", regnet.widths(i), regnet.group_width());
  judge.within("network.regnet.se_ratio", regnet.se_ratio(), 0.0, 1.0);
}

std::unique_ptr<Backbone> make_efficientnet_lite(const NetworkOptions&, const CameraGroupNetwork& group,
                                                 const config::Network& network, Generator& generator) {
  const config::EfficientNetLite& lite = network.efficientnet_lite();
  return std::make_unique<EfficientNetLite>(
      EfficientNetLiteOptions{
          .width = lite.width(), .depth = lite.depth(), .tensorflow = lite.tensorflow(), .taps = group.taps},
      generator);
}

void judge_efficientnet_lite(const configs::Judge& judge, const config::Config& proto) {
  const config::EfficientNetLite& lite = proto.network().efficientnet_lite();
  judge_strides(judge, proto.network());
  judge.within("network.efficientnet_lite.width", lite.width(), 0.1, 8.0);
  judge.within("network.efficientnet_lite.depth", lite.depth(), 0.1, 8.0);
}

std::unique_ptr<Backbone> make_convnext(const NetworkOptions&, const CameraGroupNetwork& group,
                                        const config::Network& network, Generator& generator) {
  const config::ConvNeXt& convnext = network.convnext();
  return std::make_unique<ConvNeXt>(
      ConvNeXtOptions{
          .depths = values_of(convnext.depths()), .widths = values_of(convnext.widths()), .taps = group.taps},
      generator);
}

void judge_convnext(const configs::Judge& judge, const config::Config& proto) {
  judge_strides(judge, proto.network());
  judge_layers(judge, "network.convnext.depths", proto.network().convnext().depths(), 64);
  judge_layers(judge, "network.convnext.widths", proto.network().convnext().widths(), 8192);
}

}  // namespace

std::vector<BackboneKind> standard_backbones() {
  return {{"ResNet",
           [](const NetworkOptions& options, const CameraGroupNetwork& group, const config::Network&,
              Generator& generator) { return make_resnet(options, group, generator); },
           nullptr, export_resnet},
          {"BottleneckResNet",
           [](const NetworkOptions& options, const CameraGroupNetwork& group, const config::Network&,
              Generator& generator) { return make_bottleneck_resnet(options, group, generator); },
           nullptr, export_resnet},
          {"RegNet", make_regnet, judge_regnet, export_regnet},
          {"EfficientNetLite", make_efficientnet_lite, judge_efficientnet_lite, export_efficientnet_lite},
          {"ConvNeXt", make_convnext, judge_convnext, export_convnext}};
}

}  // namespace bevgrad
