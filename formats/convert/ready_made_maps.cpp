#include "formats/convert/name_map.h"

namespace bevgrad {

const std::vector<ReadyMadeMap>& ready_made_maps() {
  static const std::vector<ReadyMadeMap> kMaps{
      {"torchvision-resnet34", "torchvision's ResNet-34 into every image backbone; the classifier is dropped",
       R"(^fc\. ->
^(?:module\.|backbone\.|img_backbone\.)?(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
)"},
      {"mmdet-fpn", "mmdetection's ResNet and FPN into every image backbone and neck",
       R"(^(?:img_)?backbone\.fc\. ->
^(?:img_)?backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^(?:img_)?neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
)"},
      // Detectors of one modality spell `voxel_encoder`, those of several `pts_voxel_encoder`; BEVFusion's own
      // repository has `encoders.lidar`, `decoder` and `heads.object`.
      {"mmdet3d", "mmdetection3d's PointPillars, SECOND, ConvFuser and CenterHead",
       R"(^(?:pts_)?(?:voxel_encoder|encoders\.lidar\.backbone\.pts_voxel_encoder)\.(.*)$ -> lidar_vfe.$1
^encoders\.lidar\.backbone\.pts_voxel_encoder\.(.*)$ -> lidar_vfe.$1
^(?:pts_|decoder\.)?backbone\.(blocks\..*)$ -> lidar_bev_backbone.$1
^(?:pts_|decoder\.)?neck\.(deblocks\..*)$ -> lidar_bev_backbone.$1
^(?:pts_)?(?:fusion_layer|fuser)\.(.*)$ -> fuser.$1
^(?:(?:pts_)?bbox_head|heads\.object)\.(shared_conv|task_heads)\.(.*)$ -> bev_dynamic_head.$1.$2
^(?:img_)?backbone\.(conv1|bn1|layer[1-4])\.(.*)$ -> stage1_backbone{0,1,2,3}.$1.$2
^(?:img_)?neck\.(lateral_convs|fpn_convs)\.(.*)$ -> stage1_neck{0,1,2,3}.$1.$2
)"},
  };
  return kMaps;
}

}  // namespace bevgrad
