// The network's stages as ONNX nodes.
#pragma once
#include "export/layers.h"
#include "export/onnx_parts.h"
#include "models/camera/lift_table.h"

namespace bevgrad {

// The parts that can be swapped, each by the name of its row.
/// Of either kind of residual block.
OnnxBackbone export_resnet;
OnnxBackbone export_regnet;
OnnxBackbone export_efficientnet_lite;
OnnxBackbone export_convnext;
OnnxNeck export_fpn;
OnnxNeck export_generalized_lss_fpn;
/// Reads the features where the inputs grid_<group> say, weighted with weight_<group>.
OnnxViewTransform export_view_transfer;
OnnxViewInputs view_transfer_inputs;
/// Sums the features of each cell in the order that the inputs lift_runs and lift_sums_<i> give; depth_logits/<i> are
/// outputs.
OnnxViewTransform export_lift_splat;
NamedTensors lift_splat_inputs(const NetworkOptions& options, const DepthBins& bins,
                               const std::vector<std::vector<Camera>>& rigs);
OnnxTemporalFusion export_vgg_block_fusion;
OnnxTemporalFusion export_conv_gru_fusion;

/// The sizes of the camera groups' feature maps.
std::vector<BevSamplingGroup> feature_groups(const NetworkOptions& options);

/// The inputs pillars and pillar_cells -> [N,3*neck_channels,rows,columns]. `batch`: int64 [1].
OnnxMap export_lidar(OnnxLayers& layers, const NetworkOptions& options, const std::string& batch);
OnnxMap export_fuser(OnnxLayers& layers, const std::vector<OnnxMap>& maps);

}  // namespace bevgrad
