#include "formats/convert/name_map.h"

namespace bevgrad {

namespace {

// The image backbone and its neck have one copy for each group of cameras.
constexpr const char* kResnet = R"(^fc\. ->
^(?:module\.|backbone\.|img_backbone\.)?(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
)";

/// Names of torchvision's models under each image backbone. `head` is the classifier, `parts` what else there is.
std::string backbone_of(const std::string& head, const std::string& parts) {
  return "^(?:" + head + ")\\. ->\n^(" + parts + ")\\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2\n";
}

/// timm calls a block s2.b3, torchvision trunk_output.block2.block2-2.
std::string timm_regnet() {
  constexpr int kMaximumBlocks = 32;
  std::string out = R"(^head\. ->
^stem\.conv\.(.*)$ -> stem.0.$1
^stem\.bn\.(.*)$ -> stem.1.$1
)";
  const std::pair<const char*, const char*> parts[] = {
      {R"(conv1\.conv)", "f.a.0"}, {R"(conv1\.bn)", "f.a.1"},         {R"(conv2\.conv)", "f.b.0"},
      {R"(conv2\.bn)", "f.b.1"},   {R"(conv3\.conv)", "f.c.0"},       {R"(conv3\.bn)", "f.c.1"},
      {R"(se\.(fc[12]))", "f.se"}, {R"(downsample\.conv)", "proj.0"}, {R"(downsample\.bn)", "proj.1"}};
  for (int block = 1; block <= kMaximumBlocks; ++block) {
    for (const auto& [from, to] : parts) {
      const bool squeeze = std::string_view(from).starts_with("se");
      out += fmt::format(R"(^s(\d)\.b{}\.{}\.(.*)$ -> trunk_output.block$1.block$1-{}.{}.{})", block, from, block - 1,
                         to, squeeze ? "$2.$3\n" : "$2\n");
    }
  }
  return out;
}

/// timm counts stages; torchvision puts the layers between them into the same list.
std::string timm_convnext() {
  std::string out = "^head\\. ->\n^stem\\.([01])\\.(.*)$ -> features.0.$1.$2\n";
  const std::pair<const char*, const char*> parts[] = {
      {"conv_dw", "0"}, {"norm", "2"}, {R"(mlp\.fc1)", "3"}, {R"(mlp\.fc2)", "5"}};
  for (int stage = 0; stage < 4; ++stage) {
    const int list = 2 * stage + 1;
    for (const auto& [from, to] : parts) {
      out +=
          fmt::format(R"(^stages\.{}\.blocks\.(\d+)\.{}\.(.*)$ -> features.{}.$1.block.{}.$2)", stage, from, list, to);
      out += "\n";
    }
    out +=
        fmt::format(R"(^stages\.{}\.blocks\.(\d+)\.gamma$ -> features.{}.$1.layer_scale permute 0,+,+)", stage, list);
    out += fmt::format("\n^stages\\.{}\\.downsample\\.([01])\\.(.*)$ -> features.{}.$1.$2\n", stage, list - 1);
  }
  return out;
}

/// The first stage's blocks lack the layer that widens them, so that theirs are numbered from the next one.
std::string timm_efficientnet() {
  std::string out = R"(^classifier\. ->
^conv_stem\.(.*)$ -> features.0.0.$1
^bn1\.(.*)$ -> features.0.1.$1
^conv_head\.(.*)$ -> features.8.0.$1
^bn2\.(.*)$ -> features.8.1.$1
)";
  const std::pair<const char*, const char*> first[] = {
      {"conv_dw", "0.0"}, {"bn1", "0.1"}, {R"(se\.conv_reduce)", "1.fc1"}, {R"(se\.conv_expand)", "1.fc2"},
      {"conv_pw", "2.0"}, {"bn2", "2.1"}};
  const std::pair<const char*, const char*> others[] = {{"conv_pw", "0.0"},
                                                        {"bn1", "0.1"},
                                                        {"conv_dw", "1.0"},
                                                        {"bn2", "1.1"},
                                                        {R"(se\.conv_reduce)", "2.fc1"},
                                                        {R"(se\.conv_expand)", "2.fc2"},
                                                        {"conv_pwl", "3.0"},
                                                        {"bn3", "3.1"}};
  for (const auto& [from, to] : first) {
    out += fmt::format(R"(^blocks\.0\.(\d+)\.{}\.(.*)$ -> features.1.$1.block.{}.$2)", from, to) + "\n";
  }
  for (int stage = 1; stage < 7; ++stage) {
    for (const auto& [from, to] : others) {
      out += fmt::format(R"(^blocks\.{}\.(\d+)\.{}\.(.*)$ -> features.{}.$1.block.{}.$2)", stage, from, stage + 1, to) +
             "\n";
    }
  }
  return out;
}

/// The PyTorch port of EfficientNet with TensorFlow's names counts blocks through all stages, and norms from 0.
std::string tensorflow_efficientnet_lite0() {
  constexpr int kBlocksOfStages[] = {1, 2, 2, 3, 3, 4, 1};
  const std::pair<const char*, const char*> first[] = {
      {"_depthwise_conv", "conv_dw"}, {"_bn1", "bn1"}, {"_project_conv", "conv_pw"}, {"_bn2", "bn2"}};
  const std::pair<const char*, const char*> others[] = {{"_expand_conv", "conv_pw"},    {"_bn0", "bn1"},
                                                        {"_depthwise_conv", "conv_dw"}, {"_bn1", "bn2"},
                                                        {"_project_conv", "conv_pwl"},  {"_bn2", "bn3"}};
  std::string out = R"(^(?:_conv_head|_bn1|_fc)\. ->
^_conv_stem\.(.*)$ -> stage1_backbone{0,1,2,3}.conv_stem.$1
^_bn0\.(.*)$ -> stage1_backbone{0,1,2,3}.bn1.$1
)";
  int block = 0;
  const auto add = [&](int stage, int within, const auto& parts) {
    for (const auto& [from, to] : parts)
      out += fmt::format("^_blocks\\.{}\\.{}\\.(.*)$ -> stage1_backbone{{0,1,2,3}}.blocks.{}.{}.{}.$1\n", block, from,
                         stage, within, to);
    ++block;
  };
  for (int stage = 0; stage < 7; ++stage) {
    for (int within = 0; within < kBlocksOfStages[stage]; ++within) {
      if (stage == 0) {
        add(stage, within, first);
      } else {
        add(stage, within, others);
      }
    }
  }
  return out;
}

/// Detectors of one modality spell `voxel_encoder`, those of several `pts_voxel_encoder`.
constexpr const char* kMmdet3d = R"(^(?:pts_)?voxel_encoder\.(.*)$ -> lidar_vfe.$1
^(?:pts_)?backbone\.(blocks\..*)$ -> lidar_bev_backbone.$1
^(?:pts_)?neck\.(deblocks\..*)$ -> lidar_bev_backbone.$1
^(?:pts_)?(?:fusion_layer|fuser)\.(.*)$ -> fuser.$1
^(?:pts_)?bbox_head\.(shared_conv|task_heads)\.(.*)$ -> bev_dynamic_head.$1.$2
^(?:img_)?backbone\.fc\. ->
^(?:img_)?backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^(?:img_)?neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
)";

/// BEVFusion's repository lays maps out with x along the rows, where here it is y: its kernels are transposed.
constexpr const char* kBevfusion = R"(^encoders\.lidar\.backbone\.pts_voxel_encoder\.(.*)$ -> lidar_vfe.$1
^encoders\.camera\.backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^encoders\.camera\.neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
^decoder\.backbone\.(blocks\..*)$ -> lidar_bev_backbone.$1 permute 0,1,3,2
^decoder\.neck\.(deblocks\..*)$ -> lidar_bev_backbone.$1 permute 0,1,3,2
^fuser\.(.*)$ -> fuser.$1 permute 0,1,3,2
^heads\.object\.(shared_conv|task_heads)\.(.*)$ -> bev_dynamic_head.$1.$2 permute 0,1,3,2
)";

constexpr const char* kBevdet = R"(^img_backbone\.fc\. ->
^img_backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^img_neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
^pts_bbox_head\.(shared_conv|task_heads)\.(.*)$ -> bev_dynamic_head.$1.$2
)";

/// Vector heads have no counterpart; the image encoders do.
constexpr const char* kStreamMapNet = R"(^backbone\.img_backbone\.fc\. ->
^backbone\.img_backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^backbone\.img_neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
)";
constexpr const char* kMaptr = R"(^img_backbone\.fc\. ->
^img_backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^img_neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
)";

/// Names and axes of PyTorch for Keras's layers. A layer's variables lie below its name once more.
constexpr const char* kKeras = R"(^optimizer_weights\. ->
^(?:model_weights\.)?top_level_model_weights\. ->
^(?:model_weights\.)?[^.]+\.(.+)\.depthwise_kernel(?::0)?$ -> $1.weight permute 2*3,+,0,1
^(?:model_weights\.)?[^.]+\.(.+)\.pointwise_kernel(?::0)?$ -> $1.pointwise.weight permute 3,2,0,1
^(?:model_weights\.)?[^.]+\.(.+)\.recurrent_kernel(?::0)?$ -> $1.weight_hh permute 1,0
^(?:model_weights\.)?[^.]+\.(.+)\.kernel(?::0)?$ -> $1.weight permute 1,0; 2,1,0; 3,2,0,1; 4,3,0,1,2
^(?:model_weights\.)?[^.]+\.(.+)\.(?:gamma|embeddings)(?::0)?$ -> $1.weight
^(?:model_weights\.)?[^.]+\.(.+)\.(?:beta|bias)(?::0)?$ -> $1.bias
^(?:model_weights\.)?[^.]+\.(.+)\.moving_mean(?::0)?$ -> $1.running_mean
^(?:model_weights\.)?[^.]+\.(.+)\.moving_variance(?::0)?$ -> $1.running_var
)";

}  // namespace

const std::vector<ReadyMadeMap>& ready_made_maps() {
  static const std::vector<ReadyMadeMap> kMaps{
      {"torchvision-resnet34", "torchvision's ResNet-34 into every image backbone; the classifier is dropped", kResnet},
      {"torchvision-resnet", "torchvision's ResNets of any depth, timm's too", kResnet},
      {"torchvision-regnet", "torchvision's RegNets", backbone_of("fc", "stem|trunk_output")},
      {"torchvision-convnext", "torchvision's ConvNeXts", backbone_of("classifier", "features")},
      {"torchvision-efficientnet", "torchvision's EfficientNets", backbone_of("classifier", "features")},
      {"timm-efficientnet-lite", "timm's EfficientNet-Lites into every image backbone",
       backbone_of("conv_head|bn2|classifier", "conv_stem|bn1|blocks")},
      {"efficientnet-lite0", "EfficientNet-Lite0 as PyTorch's port of TensorFlow's code names it (_conv_stem, _blocks)",
       tensorflow_efficientnet_lite0()},
      {"timm-regnet", "timm's RegNets under torchvision's names", timm_regnet()},
      {"timm-convnext", "timm's ConvNeXts under torchvision's names", timm_convnext()},
      {"timm-efficientnet", "timm's EfficientNets under torchvision's names", timm_efficientnet()},
      {"mmdet-fpn", "mmdetection's ResNet and FPN into every image backbone and neck",
       R"(^(?:img_)?backbone\.fc\. ->
^(?:img_)?backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^(?:img_)?neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
)"},
      {"mmdet3d", "mmdetection3d's PointPillars, SECOND, ConvFuser and CenterHead", kMmdet3d},
      {"bevfusion", "BEVFusion's repository, kernels over its transposed maps turned", kBevfusion},
      {"bevdet", "BEVDet's image encoder and CenterHead", kBevdet},
      {"streammapnet", "StreamMapNet's image encoder", kStreamMapNet},
      {"maptr", "MapTR's image encoder", kMaptr},
      {"keras", "Keras's .h5 into PyTorch's names, kernels transposed", kKeras},
  };
  return kMaps;
}

}  // namespace bevgrad
